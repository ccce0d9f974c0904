"""The entries that a step shows. They are kept as JSON, so that the page can show them again and the terminal prints the same."""

import json
import re
import zlib
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from messaging.events.text import plural

#: What is shown instead of “fails, as predicted” beside a guess that isn't known to be right.
ON_PURPOSE = "fails, on purpose"
#: Lines of a command's output that are kept; a longer output loses its middle.
MOST_LINES = 60
#: Lines of a command's output that a page shows; a longer output is folded.
MOST_SHOWN = 15


@dataclass(frozen=True)
class Said:
    text: str
    kind: Literal["said"] = "said"


@dataclass(frozen=True)
class Ran:
    """A command that a step ran."""

    #: As the reader would type it.
    command: str
    #: Its exit code.
    code: int
    output: str
    #: The object that `--json` printed last.
    json: Any = None
    kind: Literal["ran"] = "ran"

    @property
    def last(self) -> str:
        """The last line that it printed, where a command sums up."""
        return self.output.splitlines()[-1] if self.output else "nothing"

    @property
    def folded(self) -> str:
        """The line that a page shows instead of an output that is long or for scripts; empty if it shows the output."""
        lines = self.output.splitlines()
        if self.json is None and len(lines) <= MOST_SHOWN:
            return ""
        sentences = [line.strip(" -") for line in lines if re.search(r"\w", line) and line[0] not in "{┃│"]
        if sentences:
            return sentences[-1]
        return "JSON" if self.json is not None else f"Output, {plural(len(lines), 'line')}"


@dataclass(frozen=True)
class Rows:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: Literal["rows"] = "rows"


class Result(StrEnum):
    """What came of a check, and of a whole step; the words are those that a reader sees."""

    HOLDS = "holds"
    #: The chapter shows this fault on purpose, and it happened.
    PREDICTED = "fails, as predicted"
    FAILS = "fails"

    @property
    def mark(self) -> str:
        return {Result.HOLDS: "✓", Result.PREDICTED: "!", Result.FAILS: "✗"}[self]

    @property
    def look(self) -> str:
        """The class of a tag that shows it."""
        return {Result.HOLDS: "good", Result.PREDICTED: "open", Result.FAILS: "bad"}[self]


@dataclass(frozen=True)
class Check:
    """A claim and its result."""

    claim: str
    #: True if the claim is true.
    holds: bool
    #: The value that was found.
    seen: str = ""
    #: True if the claim is a fault that the chapter shows. Then the step is right only if the fault happens.
    fault: bool = False
    kind: Literal["check"] = "check"

    @property
    def result(self) -> Result:
        if not self.holds:
            return Result.FAILS
        return Result.PREDICTED if self.fault else Result.HOLDS


Entry = Said | Ran | Rows | Check
_KINDS: dict[str, type[Entry]] = {"said": Said, "ran": Ran, "rows": Rows, "check": Check}


@dataclass
class Played:
    """A step that was played."""

    step: str
    entries: list[Entry] = field(default_factory=list)
    seconds: float = 0.0
    #: Why the step didn't come to its end; empty if it did.
    error: str = ""
    #: True if its player died during the step.
    interrupted: bool = False
    #: The option that the reader guessed, and the one that came true; empty where there is none.
    guess: str = ""
    outcome: str = ""
    #: What it waits for now, in words; empty if it waits for nothing.
    waiting: str = ""

    @property
    def checks(self) -> list[Check]:
        return [entry for entry in self.entries if isinstance(entry, Check)]

    @property
    def green(self) -> bool:
        """True if it came to its end and every check was as expected. A step without a check proves nothing."""
        return not self.error and bool(self.checks) and all(check.holds for check in self.checks)

    @property
    def result(self) -> Result:
        """The result of the whole step: it fails as predicted if one of its checks does, and the others are as expected."""
        if not self.green:
            return Result.FAILS
        return Result.PREDICTED if any(check.fault for check in self.checks) else Result.HOLDS

    @property
    def doubtful(self) -> bool:
        """True if a check failed: the step may have measured something else, so its outcome answers no question."""
        return any(not check.holds for check in self.checks)

    def words(self, result: Result) -> str:
        """Return the result in words. A fault isn't “as predicted” for a reader who predicted something else, or may have: while
        the step runs, nobody knows the outcome."""
        guessed_otherwise = self.guess and self.guess != self.outcome
        return ON_PURPOSE if result is Result.PREDICTED and guessed_otherwise else str(result)

    @property
    def fault_words(self) -> str:
        """The result of a fault that happened, in words."""
        return self.words(Result.PREDICTED)

    @property
    def verdict(self) -> str:
        """The result in words, with the number of checks that failed."""
        if self.interrupted or self.error:
            return "interrupted" if self.interrupted else "stopped half-way"
        failed = sum(check.result is Result.FAILS for check in self.checks)
        return f"{plural(failed, 'check')} failed" if failed else self.words(self.result)

    @property
    def digest(self) -> int:
        """A number for this play, so that a page can tell it from another one of the same step."""
        return zlib.crc32(json.dumps(self.as_json(), sort_keys=True).encode())

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "entries": [asdict(entry) for entry in self.entries]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Played":
        return cls(**{**values, "entries": [_entry(entry) for entry in values["entries"]]})


def _entry(values: dict[str, Any]) -> Entry:
    found = dict(values)
    if found["kind"] == "rows":
        found["head"], found["rows"] = tuple(found["head"]), tuple(tuple(row) for row in found["rows"])
    return _KINDS[found["kind"]](**found)


def shortened(output: str) -> str:
    """Return the output; of a long one only the beginning and the end."""
    lines = output.rstrip().splitlines()
    if len(lines) <= MOST_LINES:
        return "\n".join(lines)
    half = MOST_LINES // 2
    return "\n".join([*lines[:half], f"… {plural(len(lines) - 2 * half, 'line')} …", *lines[-half:]])

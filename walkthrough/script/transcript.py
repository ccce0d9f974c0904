"""What a step showed: said, ran, found. It is kept as JSON, so that the page shows it again and the terminal prints the same."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from messaging.events.text import plural

#: Lines of a command's output that are kept; a longer one loses its middle.
MOST_LINES = 60


@dataclass(frozen=True)
class Said:
    text: str
    kind: Literal["said"] = "said"


@dataclass(frozen=True)
class Ran:
    """A command: as the reader would type it, its exit code, what it printed, and the object that `--json` printed last."""

    command: str
    code: int
    output: str
    json: Any = None
    kind: Literal["ran"] = "ran"

    @property
    def last(self) -> str:
        """The last line that it printed: what a command has to say in the end."""
        return self.output.splitlines()[-1] if self.output else "nothing"


@dataclass(frozen=True)
class Rows:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: Literal["rows"] = "rows"


@dataclass(frozen=True)
class Check:
    """A claim, whether it holds, and what was seen."""

    claim: str
    holds: bool
    seen: str = ""
    kind: Literal["check"] = "check"


Entry = Said | Ran | Rows | Check
_KINDS: dict[str, type[Entry]] = {"said": Said, "ran": Ran, "rows": Rows, "check": Check}


@dataclass
class Played:
    """A step that was played: what it showed, how long it took, and what went wrong where it couldn't be played to its end.
    `interrupted`: its player died amid it."""

    step: str
    entries: list[Entry] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    interrupted: bool = False

    @property
    def checks(self) -> list[Check]:
        return [entry for entry in self.entries if isinstance(entry, Check)]

    @property
    def green(self) -> bool:
        """Whether it came to its end, and every check holds. A step without a check proves nothing."""
        return not self.error and bool(self.checks) and all(check.holds for check in self.checks)

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
    """Its beginning and its end, where it is long."""
    lines = output.rstrip().splitlines()
    if len(lines) <= MOST_LINES:
        return "\n".join(lines)
    half = MOST_LINES // 2
    return "\n".join([*lines[:half], f"… {plural(len(lines) - 2 * half, 'line')} …", *lines[-half:]])

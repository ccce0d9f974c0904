"""The numbered steps of `docs/lifting.md`, read from the page, so that tests type what it says."""

import re
import shlex
from dataclasses import dataclass, field
from textwrap import dedent

from config.env import ROOT

PAGE = ROOT / "docs" / "lifting.md"
HEADING = "## Begin inside your one database"
STEP = re.compile(r"^### (\d+)\. (.+)$", re.MULTILINE)
LISTING = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UNDO = "**Undo:**"
#: What the page has for a reader's broker and for the name of their second database.
BROKER, SECOND = "redis://localhost:6379/3", '"NAME": "billing"'
#: Commands that run until they are stopped.
PROGRAMS = ("relay", "worker", "tend", "scheduler")


@dataclass(frozen=True)
class Step:
    """One step: what a reader types, what they paste into which file, and the commands that undo it."""

    number: int
    title: str
    text: str
    commands: list[list[str]] = field(default_factory=list)  #: the words behind `manage.py`
    installs: list[str] = field(default_factory=list)  #: what `pip install` gets
    lines: dict[str, str] = field(default_factory=dict)  #: by file
    undo: list[list[str]] = field(default_factory=list)  #: the words behind `manage.py`

    @property
    def programs(self) -> list[list[str]]:
        return [words for words in self.commands if words[0] in PROGRAMS]


def steps() -> list[Step]:
    """Read the steps. A listing that no test would type is an error."""
    part = PAGE.read_text().partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    _, *found = STEP.split(part)
    return [step(int(number), title, text) for number, title, text in zip(found[::3], found[1::3], found[2::3], strict=True)]


def intro() -> str:
    """The text before the first step."""
    return STEP.split(PAGE.read_text().partition(f"\n{HEADING}\n")[2])[0]


def step(number: int, title: str, text: str) -> Step:
    """Read the text of one step."""
    made = Step(number, title, text)
    assert "**It gives** " in text, f"Step {number} doesn't say what it gives."
    assert text.count(UNDO) == 1, f"Step {number} doesn't say how to undo it."
    for language, listing in LISTING.findall(text):
        if language == "python":
            file, _, lines = listing.partition("\n")
            assert re.fullmatch(r"# \w+/\w+\.py", file), f"Step {number} has a listing without a file."
            made.lines[file.removeprefix("# ")] = lines
        else:
            assert language == "sh", f"Step {number} has a listing in {language}."
            for line in dedent(listing).splitlines():
                match shlex.split(line):
                    case ["pip", "install", requirement]:
                        made.installs.append(requirement)
                    case ["manage.py", *words]:
                        made.commands.append(words)
                    case _:
                        raise AssertionError(f"Step {number} has a line that no test types: {line}")
    inline = re.findall(r"`manage\.py ([^`]+)`", text.partition(UNDO)[2].replace("\n", " "))
    made.undo.extend(shlex.split(words) for words in inline)
    return made

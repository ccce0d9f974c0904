"""The exercises and the reader's own files.

`exercise.md` begins with a title and the minutes as front matter. Then come the sections of `SECTIONS`, each under a heading of the
second level; each item of *Hints* is folded on the page. `start/` has the files with the gap, `solution/` the same files without
it. The reader works on a copy of `start/` in `FILES`, so nothing that they write changes the project.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from config.env import ROOT, VAR

FOLDER = Path(__file__).parent
#: The reader's files, a folder for each exercise.
FILES = VAR / "exercises"
#: A link to a file of the project, which the page shows as its path. A link to a chapter leads to its page.
SOURCE, CHAPTER = re.compile(r"\[[^\]]+\]\(\.\./\.\./\.\./([^)]+)\)"), re.compile(r"\]\(\.\./\.\./chapters/")
SECTIONS = ("What to do", "Why", "Hints", "Afterwards")


@dataclass(frozen=True)
class Exercise:
    """One exercise; its number is its chapter's."""

    number: int
    #: The name of its folder, such as `e04_one_more_field`.
    name: str
    title: str
    minutes: str
    what: str
    why: str
    hints: tuple[str, ...]
    afterwards: str

    @property
    def start(self) -> Path:
        return FOLDER / self.name / "start"

    @property
    def solution(self) -> Path:
        return FOLDER / self.name / "solution"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files with a gap, relative to their folder."""
        return tuple(sorted(path.relative_to(self.solution) for path in self.solution.rglob("*.py") if path.stat().st_size))

    @property
    def mine(self) -> Path:
        """The folder of the reader's own files. A missing one is made from `start`."""
        folder = FILES / self.name
        for path in sorted(self.start.rglob("*.py")):
            target = folder / path.relative_to(self.start)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        return folder

    def reset(self) -> None:
        """Put the gap back. The reader's files are lost."""
        shutil.rmtree(FILES / self.name, ignore_errors=True)
        self.mine  # noqa: B018  (makes them anew)

    def solutions(self) -> list[tuple[str, str]]:
        """The path and the text of each solved file."""
        return [(str(path), (self.solution / path).read_text(encoding="utf-8")) for path in self.files]


def load(folder: Path) -> Exercise:
    """Load the exercise of a folder such as `e04_one_more_field`."""
    text = (folder / "exercise.md").read_text(encoding="utf-8")
    about, found = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    values = dict(line.split(": ", 1) for line in about.splitlines())
    found = SOURCE.sub(r"`\1`", CHAPTER.sub("](../", found))
    parts = {title: below.strip() for title, below in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", found, re.DOTALL | re.MULTILINE)}
    if tuple(parts) != SECTIONS or set(values) != {"title", "minutes"}:
        raise ValueError(f"{folder.name}/exercise.md should have title, minutes and the sections {', '.join(SECTIONS)}.")
    hints = tuple(" ".join(hint.split()) for hint in re.split(r"^- ", parts["Hints"], flags=re.MULTILINE) if hint.strip())
    return Exercise(
        number=int(folder.name[1:3]),
        name=folder.name,
        title=values["title"],
        minutes=values["minutes"],
        what=parts["What to do"],
        why=parts["Why"],
        hints=hints,
        afterwards=parts["Afterwards"],
    )


EXERCISES: tuple[Exercise, ...] = tuple(load(file.parent) for file in sorted(FOLDER.glob("e[0-9][0-9]_*/exercise.md")))


def exercise(number: int) -> Exercise:
    """The exercise by its number; `KeyError` if there is none."""
    return {one.number: one for one in EXERCISES}[number]


def shown(path: Path) -> str:
    """A path as the reader types it: from the project's folder, if it is inside of that."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def digest(*folders: Path) -> str:
    """Return a short text that changes when a Python file in these folders does."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]

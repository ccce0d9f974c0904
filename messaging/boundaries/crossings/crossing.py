"""One crossing, and the kinds of crossings."""

from dataclasses import dataclass

#: Each kind with what it is, in the order of the output.
KINDS = {
    "import": "import",
    "foreign-key": "foreign key",
    "many-to-many": "many-to-many",
    "generic-relation": "generic relation",
    "signal": "signal",
    "name": "model or module by name",
    "lookup": "lookup path",
    "admin-option": "admin option",
    "admin-inline": "admin inline",
    "raw-sql": "table in raw SQL",
    "atomic": "atomic block",
    "migration": "migration",
}


class SurveyError(Exception):
    """The survey can't be made. The text is a sentence that says why and what to do; `code` is the command's exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Crossing:
    """A place in which one app reaches into another."""

    #: A key of `KINDS`.
    kind: str
    #: The label of the app that reaches out.
    source: str
    #: The label of the app that it reaches into.
    target: str
    #: The file, from the folder that Python imports the app from, with `/`.
    path: str
    line: int
    #: What is there, in a few words without a line number.
    what: str

    def without_line(self) -> tuple[str, str, str, str, str]:
        """Return what identifies a crossing in a baseline. It stays the same if lines above are added or removed."""
        return self.source, self.target, self.kind, self.path, self.what

    def order(self) -> tuple[str, str, int, str, int, str]:
        """Return the key that sorts crossings by pair, kind, file and line."""
        return self.source, self.target, list(KINDS).index(self.kind), self.path, self.line, self.what

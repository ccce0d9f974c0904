"""Code as it is in its file, so that what a chapter shows can't go stale."""

import ast
import textwrap
from dataclasses import dataclass

from config.env import ROOT
from messaging.events.text import plural
from walkthrough.script.chapter import Listing


@dataclass(frozen=True)
class Shown:
    """A listing's text, with the file and the line that it begins at."""

    path: str
    line: int
    text: str
    says: str
    #: What the text was taken from, and its name: the function or class, or else the file. Empty where the text is the file.
    whole: str
    whole_name: str


def shown(listing: Listing) -> Shown:
    """Read the listing from its file.

    Raises
    ------
    LookupError
        The file has no such name, or no line with the words that the listing begins or ends with.
    OSError
        There is no such file.
    """
    lines = (ROOT / listing.path).read_text(encoding="utf-8").rstrip().splitlines()
    begin, end = _symbol(lines, listing) if listing.symbol else (0, len(lines))
    first, last = _piece(lines, begin, end, listing)
    if (first, last) != (begin, end):
        whole, name = _text(lines, begin, end), listing.symbol or listing.path
    elif listing.symbol:
        whole, name = _text(lines, 0, len(lines)), listing.path
    else:
        whole, name = "", ""
    return Shown(listing.path, first + 1, _text(lines, first, last), listing.says, whole, name)


def _text(lines: list[str], first: int, end: int) -> str:
    return textwrap.dedent("\n".join(lines[first:end]))


def _symbol(lines: list[str], listing: Listing) -> tuple[int, int]:
    node = _find(ast.parse("\n".join(lines)).body, listing.symbol.split("."), listing)
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    return first - 1, node.end_lineno or first


def _piece(lines: list[str], begin: int, end: int, listing: Listing) -> tuple[int, int]:
    """From the only line with the listing's first words to the next one with its last words."""
    first = begin
    if listing.first:
        found = [at for at in range(begin, end) if listing.first in lines[at]]
        if len(found) != 1:
            raise LookupError(
                f"{_named(listing)} has `{listing.first}` in {plural(len(found), 'line')}. A listing begins at the only one."
            )
        first = found[0]
    if not listing.last:
        return first, end
    for at in range(first, end):
        if listing.last in lines[at]:
            return first, at + 1
    raise LookupError(f"{_named(listing)} has no line with `{listing.last}` where the listing should end.")


def _named(listing: Listing) -> str:
    return f"{listing.path} {listing.symbol}".strip()


def _find(body: list[ast.stmt], names: list[str], listing: Listing) -> ast.stmt:
    for node in body:
        if names[0] in _names(node):
            return node if len(names) == 1 else _find(getattr(node, "body", []), names[1:], listing)
    raise LookupError(f"{listing.path} has no {listing.symbol}.")


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]

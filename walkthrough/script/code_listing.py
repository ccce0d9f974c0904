"""Code as it stands in its file, so that what a chapter shows can't go stale."""

import ast
import textwrap
from dataclasses import dataclass

from config.env import ROOT
from walkthrough.script.chapter import Listing


@dataclass(frozen=True)
class Shown:
    """A listing's text, with the file and the line that it begins at."""

    path: str
    line: int
    text: str
    says: str


def shown(listing: Listing) -> Shown:
    """Read it. Raises `LookupError` where the file has no such name, `OSError` where there is no such file."""
    source = (ROOT / listing.path).read_text(encoding="utf-8")
    if not listing.symbol:
        return Shown(listing.path, 1, source.rstrip(), listing.says)
    node = _find(ast.parse(source).body, listing.symbol.split("."), listing)
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    text = "\n".join(source.splitlines()[first - 1 : node.end_lineno])
    return Shown(listing.path, first, textwrap.dedent(text), listing.says)


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

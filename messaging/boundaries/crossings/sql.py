"""Tables of other apps that are named in SQL."""

import ast
import re
from collections.abc import Iterable, Iterator

from django.apps import apps

from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import called
from messaging.boundaries.crossings.walker import Kind, Place

#: Calls whose strings are SQL.
CALLS = {"execute", "executemany", "raw", "extra", "RawSQL", "RunSQL", "copy_expert"}
#: How any other string begins that is SQL. A part of a statement counts only in capitals, because it could be English.
STATEMENT = re.compile(
    r"\s*(?i:SELECT\b.*\bFROM\b|INSERT\s+INTO\b|UPDATE\b.*\bSET\b|DELETE\s+FROM\b|WITH\b.*\bSELECT\b|TRUNCATE\b"
    r"|(?:CREATE|ALTER|DROP|LOCK|COPY)\b)|\s*(?:FROM|(?:LEFT |RIGHT |INNER |OUTER |CROSS )*JOIN|WHERE|AND|OR)\s",
    re.DOTALL,
)
QUOTE, END_QUOTE = r'["`\[]?', r'["`\]]?'
BEFORE = r"(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY|EXISTS|ON|USING|REFERENCES|TRUNCATE|COPY|LOCK)\s+"


def sql() -> Kind:
    """Return the kind that finds the names of tables in strings."""
    tables = {model._meta.db_table.lower(): model for model in reversed(apps.get_models(include_auto_created=True))}
    words = "|".join(re.escape(name) for name in sorted(tables, key=len, reverse=True)) or "(?!)"
    # Behind a word of SQL, before the dot and a column, or the whole string, as in `extra(tables=["orders_order"])`.
    pattern = re.compile(
        rf"(?<!\w){BEFORE}{QUOTE}(?:\w+{END_QUOTE}\.{QUOTE})?({words}){END_QUOTE}(?![\w])"
        rf"|(?<![\w.\"`]){QUOTE}({words}){END_QUOTE}\.{QUOTE}\w"
        rf"|\A{QUOTE}({words}){END_QUOTE}\Z",
        re.IGNORECASE,
    )
    seen: set[int] = set()

    def find(node: ast.AST, place: Place) -> Iterable[Crossing]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            seen.add(id(node.value))  # a docstring
        sure = isinstance(node, ast.Call) and called(node) in CALLS
        for each in _arguments(node) if sure else [node]:
            text = _text(each)
            if text is None or id(each) in seen or not (sure or STATEMENT.match(text)):
                continue
            seen.update(map(id, ast.walk(each)))
            for table in dict.fromkeys("".join(found).lower() for found in pattern.findall(text)):
                yield from place.crossing("raw-sql", tables[table]._meta.app_label, each.lineno, table)  # type: ignore[attr-defined]

    return find


def _arguments(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the strings in a call, the longest first."""
    rest = list(ast.iter_child_nodes(node))
    while rest:
        each = rest.pop(0)
        if _text(each) is not None:
            yield each
        elif not isinstance(each, ast.Call):
            rest += ast.iter_child_nodes(each)


def _text(node: ast.AST) -> str | None:
    """Return the text of a string. What an f-string or `%` inserts is `…`."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or "…" for part in parts)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _text(left)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = _text(left), _text(right)
            return None if texts == (None, None) else "".join(text or "…" for text in texts)
    return None

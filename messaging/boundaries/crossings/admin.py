"""Options of admin classes that lead into another app's tables, and inlines of another app's models."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps

from messaging.boundaries.crossings.code import Code
from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.paths import reached
from messaging.boundaries.crossings.scopes import Scope

#: Options that only compare or sort. Every other one shows rows of the table at its end.
COMPARED = ("search_fields", "ordering", "date_hierarchy", "sortable_by")
SHOWN = set(
    "list_display list_filter list_select_related raw_id_fields autocomplete_fields filter_horizontal filter_vertical radio_fields "
    "readonly_fields".split()
)
SEARCH_PREFIXES = "^=@-"


def admin(code: Code) -> Iterator[Crossing]:
    """Yield the crossings of the admin classes of all admin sites. The classes themselves are asked, so lists that are computed or
    inherited count too."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.sites import all_sites  # it needs an installed admin

    found: dict[Crossing, None] = {}
    for site in all_sites:
        for model, registered in site._registry.items():
            kind = type(registered)
            found |= dict.fromkeys(_options(code, model, kind))
            for inline in registered.inlines:
                found |= dict.fromkeys(_options(code, inline.model, inline))
                found |= dict.fromkeys(_inline(code, model, kind, inline))
    yield from found


def _inline(code: Code, model: Any, kind: type, inline: Any) -> Iterator[Crossing]:
    place = _place(code, kind, "inlines")
    if place is not None:
        scope, node = place
        line = _line(node, inline.__name__, _last_word)
        ends = {inline.model._meta.app_label, model._meta.app_label} - {scope.source.app}
        for end in sorted(ends):
            what = f"{kind.__name__}: {inline.model._meta.label} in {model._meta.label}"
            yield Crossing("admin-inline", scope.source.app, end, scope.source.path, line, what)


def _options(code: Code, model: Any, kind: Any) -> Iterator[Crossing]:
    for option in (*COMPARED, *sorted(SHOWN)):
        place = _place(code, kind, option)
        if place is None:
            continue
        scope, node = place
        for path in _paths(getattr(kind, option)):
            for app in sorted(reached(model, path, whole=option in SHOWN) - {scope.source.app}):
                line = _line(node, path, _path)
                what = f"{kind.__name__}.{option}: {path}"
                yield Crossing("admin-option", scope.source.app, app, scope.source.path, line, what)


def _paths(value: Any) -> Iterator[str]:
    for each in [value] if isinstance(value, str) else value if isinstance(value, list | tuple | dict) else ():
        first = each[0] if isinstance(each, tuple) and each else each  # (path, filter)
        if isinstance(first, str):
            yield first.lstrip(SEARCH_PREFIXES)


def _place(code: Code, kind: type, option: str) -> tuple[Scope, ast.expr] | None:
    """Return where an option is assigned: the class's scope and the expression. None if it is outside of the surveyed apps."""
    for each in kind.__mro__:
        if option in vars(each):
            scope = code.definitions.get(f"{each.__module__}.{each.__qualname__}")
            expressions = scope.expressions.get(option) if scope is not None else None
            return (scope, expressions[0][1]) if scope is not None and expressions else None
    return None


def _line(node: ast.expr, text: str, read: Callable[[ast.AST], str]) -> int:
    """Return the line in which a part of an expression reads as this text, else the expression's own line."""
    return next((each.lineno for each in ast.walk(node) if isinstance(each, ast.expr) and read(each) == text), node.lineno)


def _path(node: ast.AST) -> str:
    return node.value.lstrip(SEARCH_PREFIXES) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _last_word(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""

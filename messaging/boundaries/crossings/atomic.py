"""Transactions that write rows of two apps: `with transaction.atomic():` and `@transaction.atomic`."""

import ast
from collections.abc import Iterable, Iterator

from django.db import models

from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import Follower, called
from messaging.boundaries.crossings.scopes import FunctionNode, Scope
from messaging.boundaries.crossings.values import Own, Row, Rows
from messaging.boundaries.crossings.walker import Kind, Place

OF_ROW = {"save", "delete", "save_base"}
OF_ROWS = set("create get_or_create update_or_create bulk_create bulk_update update delete".split())
OF_RELATED = set("add remove set clear".split())


def atomic() -> Kind:
    """Return the kind that finds atomic blocks. The functions that a block calls are followed if they are in the surveyed apps."""
    written: dict[ast.AST, dict[str, None]] = {}

    def find(node: ast.AST, place: Place) -> Iterable[Crossing]:
        body: list[ast.stmt] = []
        scope, line = place.scope, 0
        if isinstance(node, ast.With | ast.AsyncWith):
            line = next((item.context_expr.lineno for item in node.items if _is_atomic(item.context_expr)), 0)
            body = node.body
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            line = next((each.lineno for each in node.decorator_list if _is_atomic(each)), 0)
            body, scope = node.body, place.follower.code.scopes[node]
        if not line:
            return
        labels = dict.fromkeys(label for each in body for label in _writes(each, scope, place.follower, written))
        yield from _crossings(list(labels), line, place)

    return find


def _crossings(labels: list[str], line: int, place: Place) -> Iterator[Crossing]:
    """Yield a crossing from the block's own app, or the one that is written first, to each other app."""
    apps = list(dict.fromkeys(label.partition(".")[0] for label in labels))
    source = place.source.app if place.source.app in apps else next(iter(apps), "")
    for app in apps:
        if app != source:
            what = ", ".join(sorted(label for label in labels if label.partition(".")[0] in (source, app)))
            yield Crossing("atomic", source, app, place.source.path, line, f"writes {what}")


def _is_atomic(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):  # atomic(using=…), method_decorator(atomic)
        return called(node) == "atomic" or (called(node) == "method_decorator" and any(map(_is_atomic, node.args)))
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) == "atomic"


def _writes(node: ast.AST, scope: Scope, follower: Follower, written: dict[ast.AST, dict[str, None]]) -> Iterator[str]:
    """Yield the labels of the models that this node writes, and the functions that it calls."""
    rest = [node]
    while rest:
        each = rest.pop(0)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue  # it runs later, if at all
        if isinstance(each, ast.Call):
            yield from _written_by(each, scope, follower)
            function = follower.value(each.func, scope)
            if isinstance(function, Own) and isinstance(function.scope.node, FunctionNode):
                yield from _function(function.scope, follower, written)
        rest[:0] = ast.iter_child_nodes(each)


def _function(scope: Scope, follower: Follower, written: dict[ast.AST, dict[str, None]]) -> dict[str, None]:
    node = scope.node
    if node not in written:
        written[node] = {}  # a function that calls itself
        written[node] = dict.fromkeys(label for each in node.body for label in _writes(each, scope, follower, written))
    return written[node]


def _written_by(node: ast.Call, scope: Scope, follower: Follower) -> Iterator[str]:
    if not isinstance(node.func, ast.Attribute):
        return
    name = node.func.attr
    name = name[1:] if name[:1] == "a" and name != "add" else name
    if name not in OF_ROW | OF_ROWS | OF_RELATED:
        return
    base = follower.value(node.func.value, scope)
    if isinstance(base, Rows) and name in OF_RELATED:
        yield from _labels((base.through,) if base.through is not None else base.models)
    elif (isinstance(base, Rows) and name in OF_ROWS) or (isinstance(base, Row) and name in OF_ROW):
        yield from _labels(base.models)


def _labels(found: tuple[type[models.Model], ...]) -> Iterator[str]:
    return (model._meta.label for model in found)

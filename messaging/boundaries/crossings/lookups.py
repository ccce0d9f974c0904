"""Lookup paths in querysets that lead into another app."""

import ast
from collections.abc import Iterable, Iterator

from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import called
from messaging.boundaries.crossings.paths import prefetched, reached
from messaging.boundaries.crossings.values import Classes, Models, Rows
from messaging.boundaries.crossings.walker import Kind, Place

#: Methods whose keyword arguments are paths.
CONDITIONS = set("filter exclude get get_or_create update_or_create complex_filter".split())
SHORTCUTS = {"get_object_or_404", "get_list_or_404"}
#: Methods whose strings are paths.
NAMED = set("values values_list only defer distinct dates datetimes earliest latest in_bulk".split())
SORTED = {"order_by", "earliest", "latest"}
READ = {"select_related"}
#: Methods whose arguments may have expressions over paths, as in `annotate(Sum("lines__price"))`.
EXPRESSIONS = set("annotate alias aggregate update".split())
METHODS = CONDITIONS | NAMED | SORTED | READ | EXPRESSIONS | {"prefetch_related"}
#: Expressions whose strings are no paths of this query.
OTHER = {"Value", "OuterRef", "Exists", "Subquery", "RawSQL"}
#: Crossings, each with the node that is the path.
Found = Iterator[tuple[ast.AST, Crossing]]


def lookups() -> Kind:
    """Return the kind that finds lookup paths. A path counts once, also if several queries use the function that it is in."""
    counted: set[tuple[int, str]] = set()

    def find(node: ast.AST, place: Place) -> Iterable[Crossing]:
        for path, found in _of_query(node, place):
            if (id(path), found.target) not in counted:
                counted.add((id(path), found.target))
                yield found

    return find


def _of_query(node: ast.AST, place: Place) -> Found:
    if not isinstance(node, ast.Call):
        return
    name = called(node).removeprefix("a") if called(node).removeprefix("a") in METHODS | SHORTCUTS else called(node)
    if name in SHORTCUTS and node.args:
        found = place.follower.value(node.args[0], place.scope)
        arguments: list[ast.expr] = node.args[1:]
        name = "get"
    elif name in METHODS and isinstance(node.func, ast.Attribute):
        found = place.follower.value(node.func.value, place.scope)
        arguments = node.args
    else:
        return
    if not isinstance(found, Rows | Models):
        return
    for argument in arguments:
        yield from _of_argument(argument, name, found.models, place)
    for keyword in node.keywords:
        if keyword.arg is None:
            yield from _of_mapping(keyword.value, found.models, place)
        elif name in CONDITIONS and keyword.arg not in ("defaults", "create_defaults"):
            yield from _crossing(keyword.arg, keyword, "filter", found.models, place)
        yield from _of_expression(keyword.value, found.models, place)


def _of_argument(node: ast.expr, name: str, models: Classes, place: Place) -> Found:
    if isinstance(node, ast.Starred):
        node = node.value
    if isinstance(node, ast.Tuple | ast.List):
        for each in node.elts:
            yield from _of_argument(each, name, models, place)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if name not in CONDITIONS | EXPRESSIONS:
            yield from _crossing(node.value.lstrip("-+"), node, name, models, place)
    elif isinstance(node, ast.Call) and called(node) == "Prefetch" and name == "prefetch_related":
        for argument in node.args[:1]:
            yield from _of_argument(argument, name, models, place)
    else:
        yield from _of_expression(node, models, place)


def _of_expression(node: ast.expr, models: Classes, place: Place) -> Found:
    """Find the paths in `Q(…)`, `F(…)`, `Sum(…)` and what is made of them, also if a name or a function stands for it."""
    seen: set[int] = set()
    rest = list(place.follower.expressions(node, place.scope))
    while rest:
        each, scope = rest.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, ast.Call):
            base = place.follower.value(each.func.value, scope) if isinstance(each.func, ast.Attribute) else None
            if called(each) in OTHER or isinstance(base, Rows):  # no path, or a query of its own
                continue
            yield from _of_call(each, models, Place(scope.source, scope, place.follower))
        for child in ast.iter_child_nodes(each):
            if isinstance(child, ast.keyword):
                child = child.value
            if isinstance(child, ast.expr):
                rest += place.follower.expressions(child, scope)


def _of_call(node: ast.Call, models: Classes, place: Place) -> Found:
    for argument in node.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield from _crossing(argument.value.lstrip("-+"), argument, "filter", models, place)
    for keyword in node.keywords:
        if called(node) in ("Q", "When") and keyword.arg is not None:
            yield from _crossing(keyword.arg, keyword, "filter", models, place)
        elif called(node) == "Q":
            yield from _of_mapping(keyword.value, models, place)


def _of_mapping(node: ast.expr, models: Classes, place: Place) -> Found:
    """Find the paths in `filter(**{"user__name": name})`."""
    for each, _ in place.follower.expressions(node, place.scope):
        for key in each.keys if isinstance(each, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield from _crossing(key.value, key, "filter", models, place)


def _crossing(path: str, node: ast.expr | ast.keyword, method: str, models: Classes, place: Place) -> Found:
    found: dict[str, str] = {}
    for model in models:
        if method == "prefetch_related":
            apps = prefetched(model, path)
        else:
            apps = reached(model, path, whole=method in READ, ordered=method in SORTED)
        found |= {app: found.get(app, model._meta.label) for app in apps}
    for app, label in sorted(found.items()):
        for crossing in place.crossing("lookup", app, node.lineno, f"{label}: {path}"):
            yield node, crossing

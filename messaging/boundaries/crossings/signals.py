"""Receivers that one app connects to another app's models or signals."""

import ast
from collections.abc import Iterable, Iterator

from django.dispatch import Signal

from messaging.boundaries.crossings.code import loaded, model_named
from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import called
from messaging.boundaries.crossings.values import Models, Outside, Own
from messaging.boundaries.crossings.walker import Place


def signals(node: ast.AST, place: Place) -> Iterable[Crossing]:
    """Find what `@receiver(signal, sender=…)` and `signal.connect(receiver, sender=…)` connect to."""
    if not isinstance(node, ast.Call):
        return
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    sender = given.get("sender")
    if called(node) == "receiver" and node.args:
        several = node.args[0].elts if isinstance(node.args[0], ast.List | ast.Tuple) else node.args[:1]
    elif called(node) == "connect" and isinstance(node.func, ast.Attribute):
        several = [node.func.value]
        sender = sender or (node.args[1] if len(node.args) > 1 else None)
    else:
        return
    for signal in several:
        name = _dotted(signal, place)
        if name is None:
            continue
        yield from place.crossing("signal", place.follower.code.app_of(name), node.lineno, f"signal {name}")
        if sender is not None:
            for app, what in _senders(sender, place):
                yield from place.crossing("signal", app, node.lineno, f"{name.rpartition('.')[2]} of {what}")


def _dotted(node: ast.expr, place: Place) -> str | None:
    """Return the dotted name of a signal; None for anything else with a method `connect`."""
    value = place.follower.value(node, place.scope)
    if isinstance(value, Outside) and isinstance(loaded(value.name), Signal):
        return value.name
    if not isinstance(node, ast.Name | ast.Attribute):
        return None
    # A signal of the source is an assignment, which stands for no value.
    name = _origin(node, place)
    if name is None:
        return None
    module, _, word = name.rpartition(".")
    scope = place.follower.code.modules.get(module)
    for _, expression in scope.expressions.get(word, ()) if scope is not None else ():
        if isinstance(expression, ast.Call) and called(expression).endswith("Signal"):
            return name
    return name if isinstance(loaded(name), Signal) else None


def _origin(node: ast.Name | ast.Attribute, place: Place) -> str | None:
    if isinstance(node, ast.Attribute):
        base = place.follower.value(node.value, place.scope)
        return f"{base.name}.{node.attr}" if isinstance(base, Outside) else None
    scope = place.scope
    while node.id not in scope.imports and scope.parent is not None:
        scope = scope.parent
    return scope.imports.get(node.id, f"{place.source.name}.{node.id}")


def _senders(node: ast.expr, place: Place) -> Iterator[tuple[str | None, str]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        model = model_named(node.value) if node.value.count(".") == 1 else None
        if model is not None:
            yield model._meta.app_label, model._meta.label
        return
    value = place.follower.value(node, place.scope)
    if isinstance(value, Models):
        for model in value.models:
            yield model._meta.app_label, model._meta.label
    elif isinstance(value, Own):
        yield place.follower.code.app_of(value.scope.name), value.scope.name

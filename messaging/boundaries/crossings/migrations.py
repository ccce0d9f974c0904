"""Migrations that depend on another app's migrations, or use its models."""

import ast
from collections.abc import Iterator

from django.conf import settings

from messaging.boundaries.crossings.code import model_named
from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import called
from messaging.boundaries.crossings.host import Host, Source

LISTS = {"dependencies": "depends on", "run_before": "runs before"}


def migrations(host: Host) -> Iterator[Crossing]:
    """Yield the dependencies of the surveyed apps' migrations, and the models that they get from `apps.get_model`."""
    for source in host.migrations:
        for app, line, what in _found(source):
            if app != source.app:
                yield Crossing("migration", source.app, app, source.path, line, what)


def _found(source: Source) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in LISTS:
            for each in node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else ():
                yield from _dependency(each, LISTS[node.targets[0].id])
        elif isinstance(node, ast.Call) and called(node) == "get_model":
            words = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)][:2]
            if words:
                model = model_named(*words)
                label = model._meta.label if model else ".".join(words)  # a model that is gone by now
                yield label.partition(".")[0], node.lineno, f"uses {label}"


def _dependency(node: ast.expr, verb: str) -> Iterator[tuple[str, int, str]]:
    match node:
        case ast.Tuple(elts=[ast.Constant(value=str(app)), ast.Constant(value=str(name))]):
            yield app, node.lineno, f"{verb} {app} {name}"
        case ast.Call(args=[ast.Attribute(attr=setting), *_]) if called(node) == "swappable_dependency":
            app = str(getattr(settings, setting)).partition(".")[0]
            yield app, node.lineno, f"{verb} {app}, by {setting}"

"""Fields that lead to a model of another app: foreign keys, many-to-many and generic relations."""

import ast
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.deletion import CASCADE

from messaging.boundaries.crossings.code import Code
from messaging.boundaries.crossings.crossing import Crossing


def relations(code: Code) -> Iterator[Crossing]:
    """Yield the fields of the surveyed apps' models. The models themselves are asked, so inherited fields count too."""
    for model in apps.get_models():
        options = model._meta
        if options.app_label not in code.host.labels:
            continue
        for field in (*options.local_fields, *options.local_many_to_many, *options.private_fields):
            for kind, end, what in _ends(field):
                if end._meta.app_label == options.app_label:
                    continue
                place = _place(code, model, field)
                if place is not None:
                    text = f"{options.label}.{field.name} -> {end._meta.label}{what}"
                    yield Crossing(kind, options.app_label, end._meta.app_label, *place, text)


def _ends(field: Any) -> Iterator[tuple[str, type[models.Model], str]]:
    end: Any = field.related_model
    if not (isinstance(end, type) and issubclass(end, models.Model)):  # no relation, or a GenericForeignKey, which leads anywhere
        return
    if field.many_to_many:
        yield "many-to-many", end, ""
        through: Any = field.remote_field.through
        if through._meta.app_label not in (end._meta.app_label, field.model._meta.app_label):
            yield "many-to-many", through, " (through)"
    elif field.one_to_many:
        yield "generic-relation", end, ", cascades"
    else:
        rule = field.remote_field.on_delete
        parent = " (parent)" if field.remote_field.parent_link else ""
        name = getattr(rule, "__name__", "SET")
        yield "foreign-key", end, f"{parent}, {'cascades' if rule is CASCADE else 'SET' if name == 'set_on_delete' else name}"


def _place(code: Code, model: type[models.Model], field: Any) -> tuple[str, int] | None:
    """Return the file and line where the field is declared, perhaps in an abstract class; the class's line if that isn't seen."""
    lineage = list(code.classes_of(model))
    for scope in lineage:
        for _, expression in scope.expressions.get(field.name, ()):
            return scope.source.path, _line(scope.node, expression)
    return (lineage[0].source.path, lineage[0].node.lineno) if lineage else None  # type: ignore[union-attr]


def _line(node: ast.AST, expression: ast.expr) -> int:
    """Return the line of the statement that assigns an expression."""
    for each in ast.walk(node):
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is expression:
            return each.lineno
    return expression.lineno

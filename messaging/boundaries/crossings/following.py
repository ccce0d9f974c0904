"""Follows an expression to the model that it is about: `orders.filter(…)` to Order, if `orders = Order.objects.all()`.

This is one class in one file, because each of its steps may lead to any other.
"""

import ast
from collections.abc import Iterable, Iterator

from django.db import models

from messaging.boundaries.crossings.code import Code, model_named, user_model
from messaging.boundaries.crossings.scopes import How, Scope
from messaging.boundaries.crossings.values import Field, Instance, Models, Outside, Own, Row, Rows, Value, related

#: Methods of a queryset that return one row, and those that return neither a row nor a queryset.
ONE_ROW = set("get first last create earliest latest".split())
PAIRS = {"get_or_create", "update_or_create"}
NO_ROWS = set("count exists aggregate update delete bulk_update in_bulk contains explain add remove set clear".split())
#: Functions that return what they are given, as a list.
LISTS = set("list tuple set sorted reversed iter".split())
#: What a view, form or admin class calls its rows and its row.
OWN_ROWS, OWN_ROW = {"get_queryset", "queryset", "object_list"}, {"get_object", "object", "instance"}


class Follower:
    """Follows expressions. Answers are kept, because many expressions lead to the same names."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self._known: dict[tuple[ast.AST, int], Value | None] = {}

    def value(self, node: ast.expr, scope: Scope) -> Value | None:
        """Return what an expression stands for; None if that can't be seen."""
        key = node, id(scope)
        if key not in self._known:
            self._known[key] = None  # an expression that leads to itself
            self._known[key] = self._value(node, scope)
        return self._known[key]

    def _value(self, node: ast.expr, scope: Scope) -> Value | None:
        match node:
            case ast.Name(id=name):
                return self._name(name, scope)
            case ast.Attribute(value=base, attr=name):
                return self.attribute(self.value(base, scope), name)
            case ast.Call():
                return self._call(node, scope)
            case ast.Await(value=inner) | ast.NamedExpr(value=inner) | ast.BinOp(left=inner):
                return self.value(inner, scope)
            case ast.IfExp(body=first, orelse=second):
                return self.value(first, scope) or self.value(second, scope)
            case ast.BoolOp(values=choices):
                return _first(self.value(each, scope) for each in choices)
            case ast.Subscript(value=base, slice=index):
                rows = self.value(base, scope)
                return Row(rows.models) if isinstance(rows, Rows) and not isinstance(index, ast.Slice) else rows
            case ast.ListComp(elt=inner) | ast.SetComp(elt=inner) | ast.GeneratorExp(elt=inner):
                row = self.value(inner, scope)
                return Rows(row.models) if isinstance(row, Row) else None
        return None

    def expressions(self, node: ast.expr, scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
        """Yield an expression, what is assigned to it if it is a name, and what a called function returns, each with its scope."""
        yield node, scope
        if isinstance(node, ast.Name):
            yield from ((each, scope) for how, each in scope.expressions.get(node.id, ()) if how == "value" and each is not node)
        elif isinstance(node, ast.Call):
            function = self.value(node.func, scope)
            if isinstance(function, Own):
                yield from ((each, function.scope) for each in function.scope.returns)

    def own_rows(self, scope: Scope) -> Rows | None:
        """Return the rows that a class is about: by its `model` or `queryset`, or by `model` in its Meta."""
        for each in self.lineage(scope):
            for name, where in (("model", each), ("queryset", each), ("model", each.definitions.get("Meta"))):
                for how, expression in where.expressions.get(name, ()) if where else ():
                    found = self.value(expression, each) if how == "value" else None
                    if isinstance(found, Models | Rows):
                        return Rows(found.models)
        return None

    def lineage(self, scope: Scope) -> list[Scope]:
        """Return the scopes of a class and of the classes of the source that it inherits from."""
        found: list[Scope] = []
        rest = [scope]
        while rest:
            each = rest.pop(0)
            if each in found or not isinstance(each.node, ast.ClassDef) or each.parent is None:
                continue
            found.append(each)
            for base in each.node.bases:
                value = self.value(base, each.parent)
                if isinstance(value, Own):
                    rest.append(value.scope)
                elif isinstance(value, Models):
                    rest += self.code.classes_of(value.models[0])
        return found

    def named(self, dotted: str) -> Value | None:
        """Return what a dotted name stands for, as an import would."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            module = self.code.modules.get(".".join(parts[:end]))
            if module is not None:
                found: Value | None = Outside(module.name)
                for index, part in enumerate(parts[end:]):
                    found = self._in_scope(part, module) if index == 0 else self.attribute(found, part)
                return found or self.code.outside(dotted)
        return self.code.outside(dotted)

    def _name(self, name: str, scope: Scope) -> Value | None:
        here: Scope | None = scope
        while here is not None:
            if name == here.first_parameter:
                return self._self(here)
            found = self._in_scope(name, here)
            if found is not None or name in here.expressions:
                return found
            # The body of a class can't be seen from its methods.
            here = here.parent if here.owner is None else here.owner.parent
        return None

    def _in_scope(self, name: str, scope: Scope) -> Value | None:
        if name in scope.definitions:
            return self.code.own(scope.definitions[name])
        for how, expression in scope.expressions.get(name, ()):
            found = self._bound(how, expression, scope)
            if found is not None:
                return found
        if name in scope.imports:
            return self.named(scope.imports[name]) if scope.imports[name] != f"{scope.name}.{name}" else None
        for module in scope.stars:
            target = self.code.modules.get(module)
            found = self._in_scope(name, target) if target is not None and target is not scope else None
            if found is not None:
                return found
        return None

    def _bound(self, how: How, expression: ast.expr, scope: Scope) -> Value | None:
        if how == "annotated":
            return self._annotated(expression, scope)
        found = self.value(expression, scope)
        if how == "item":
            return Row(found.models) if isinstance(found, Rows) else None
        if how == "first":
            pair = isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute)
            return found if pair and isinstance(found, Row) else None
        return found

    def _annotated(self, node: ast.expr, scope: Scope) -> Value | None:
        """Return what a parameter with this annotation is: a row, a queryset or an instance."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return None
        if isinstance(node, ast.BinOp):
            return self._annotated(node.left, scope) or self._annotated(node.right, scope)
        if isinstance(node, ast.Subscript):
            found = self._annotated(node.slice, scope)
            word = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            return found if word == "Optional" else Rows(found.models) if isinstance(found, Row) else None
        found = self.value(node, scope)
        if isinstance(found, Models):
            return Row(found.models)
        return self._made(found) if isinstance(found, Own) else None

    def _made(self, own: Own) -> Value:
        """Return what an instance of a class is."""
        return self.code.selves.get(own.scope.name) or Instance(own.scope)

    def _self(self, method: Scope) -> Value | None:
        if method.owner is None:
            return None
        made = self.code.selves.get(method.owner.name) or Instance(method.owner)
        decorators = getattr(method.node, "decorator_list", ())
        if isinstance(made, Row) and any(isinstance(each, ast.Name) and each.id == "classmethod" for each in decorators):
            return Models(made.models)
        return made

    def attribute(self, base: Value | None, name: str) -> Value | None:
        """Return what an attribute of a value is."""
        match base:
            case Outside(name=dotted):
                return self.named(f"{dotted}.{name}")
            case Models(models=found):
                return self._attribute_of_models(found, name)
            case Row(models=found):
                if name == "__class__":
                    return Models(found)
                ends = [end for end in (related(model, name) for model in found) if end is not None]
                return ends[0] if ends else self._method(self.code.classes_of(found[0]), name)
            case Rows(models=found):
                return Models(found) if name == "model" else self._method(self.code.classes_of_rows(found[0]), name)
            case Field(field=field):
                through = getattr(getattr(field, "remote_field", None), "through", None) if name == "through" else None
                return Models((through,)) if through is not None else None
            case Instance(scope=scope):
                return self._attribute_of_instance(scope, name)
            case Own(scope=scope):
                return self._method(iter(self.lineage(scope)), name) or self._in_scope(name, scope)
        return None

    def _attribute_of_models(self, found: tuple[type[models.Model], ...], name: str) -> Value | None:
        model = found[0]
        if name in model._meta.managers_map or name in ("_default_manager", "_base_manager"):
            return Rows(found)
        field = model._meta._forward_fields_map.get(name)  # type: ignore[attr-defined]
        return Field(field) if field is not None else self._method(self.code.classes_of(model), name)

    def _attribute_of_instance(self, scope: Scope, name: str) -> Value | None:
        lineage = self.lineage(scope)
        for each in lineage:
            for how, expression, method in each.attributes.get(name, ()):
                found = self._bound(how, expression, method)
                if found is not None:
                    return found
        found = self._method(iter(lineage), name)
        if found is None:
            found = _first(self._in_scope(name, each) for each in lineage)
        if found is None and name in OWN_ROWS | OWN_ROW | {"model"}:
            rows = self.own_rows(scope)
            if rows is not None:
                return Models(rows.models) if name == "model" else Row(rows.models) if name in OWN_ROW else rows
        return found

    def _method(self, lineage: Iterator[Scope], name: str) -> Value | None:
        return next((Own(each.definitions[name]) for each in lineage if name in each.definitions), None)

    def _call(self, node: ast.Call, scope: Scope) -> Value | None:
        name = called(node)
        if name in ("get_model", "get_registered_model"):
            words = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            model = model_named(*words) if len(words) == len(node.args) in (1, 2) else None
            return Models((model,)) if model else None
        if name == "get_user_model":
            model = user_model()
            return Models((model,)) if model else None
        if name == "super" and isinstance(node.func, ast.Name):
            return self._self(scope)
        if name == "type" and node.args and isinstance(row := self.value(node.args[0], scope), Row):
            return Models(row.models)
        if name in LISTS and node.args and isinstance(node.func, ast.Name):
            return self.value(node.args[0], scope)
        if name.removeprefix("a") in ("get_object_or_404", "get_list_or_404") and node.args:
            found = self.value(node.args[0], scope)
            if isinstance(found, Models | Rows):
                return Row(found.models) if "object" in name else Rows(found.models)
        return self._returned(node, name, scope)

    def _returned(self, node: ast.Call, name: str, scope: Scope) -> Value | None:
        if isinstance(node.func, ast.Attribute):
            base = self.value(node.func.value, scope)
            if isinstance(base, Rows):
                plain = name.removeprefix("a") if name.startswith("a") and name[1:] in ONE_ROW | PAIRS | NO_ROWS else name
                return None if plain in NO_ROWS else Row(base.models) if plain in ONE_ROW | PAIRS else Rows(base.models)
            if isinstance(base, Instance) and name in OWN_ROWS | OWN_ROW:
                rows = self.own_rows(base.scope)
                if rows is not None:
                    return Row(rows.models) if name in OWN_ROW else rows
        found = self.value(node.func, scope)
        if isinstance(found, Models):
            return Row(found.models)
        if isinstance(found, Rows | Row):
            return found  # a method of a class that isn't read, as `super().get_queryset`
        if not isinstance(found, Own):
            return None
        if isinstance(found.scope.node, ast.ClassDef):
            return self._made(found)
        return _first(self.value(each, found.scope) for each in found.scope.returns)


def _first(found: Iterable[Value | None]) -> Value | None:
    return next((each for each in found if each is not None), None)


def called(node: ast.Call) -> str:
    """Return the last word of what is called: `filter` for `Order.objects.filter(…)`."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""

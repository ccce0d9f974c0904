"""The names of a module, a class body or a function, each with the expressions that it may stand for.

Nothing is evaluated here. The order of statements is ignored: a name stands for everything that is ever assigned to it.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from messaging.boundaries.crossings.host import Source

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
#: How a name gets its value: it is the expression's value, an item of it, an instance of the annotation, or the first of a pair.
How = Literal["value", "item", "annotated", "first"]


@dataclass(eq=False)
class Scope:
    """One namespace."""

    node: ast.Module | ast.ClassDef | FunctionNode
    source: Source
    parent: "Scope | None"
    #: The class whose method this function is, as the scope of its body.
    owner: "Scope | None" = None
    expressions: dict[str, list[tuple[How, ast.expr]]] = field(default_factory=dict)
    #: Imported names, each with what it stands for: `{"User": "users.models.User"}`.
    imports: dict[str, str] = field(default_factory=dict)
    #: Modules that all names are imported from.
    stars: list[str] = field(default_factory=list)
    #: Classes and functions that are defined here.
    definitions: dict[str, "Scope"] = field(default_factory=dict)
    returns: list[ast.expr] = field(default_factory=list)
    #: What is assigned to attributes of `self`, in the scope of a class: name, expression and the method's scope.
    attributes: dict[str, list[tuple[How, ast.expr, "Scope"]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The dotted name, as in `orders.views.Detail.get`."""
        if isinstance(self.node, ast.Module) or self.parent is None:
            return self.source.name
        return f"{self.parent.name}.{self.node.name}"

    @property
    def first_parameter(self) -> str | None:
        """The name of `self` or `cls` in a method."""
        if self.owner is None or isinstance(self.node, ast.Module | ast.ClassDef):
            return None
        parameters = [*self.node.args.posonlyargs, *self.node.args.args]
        static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in self.node.decorator_list)
        return parameters[0].arg if parameters and not static else None


def module_scope(source: Source) -> Scope:
    """Return a module's scope, with the scopes of all classes and functions in it."""
    scope = Scope(source.tree, source, None)
    _fill(scope, source.tree.body)
    return scope


def inner(scope: Scope) -> Iterator[Scope]:
    """Yield a scope and all scopes inside of it."""
    yield scope
    for each in scope.definitions.values():
        yield from inner(each)


def _fill(scope: Scope, nodes: Iterable[ast.AST]) -> None:
    rest = list(reversed(list(nodes)))
    while rest:
        node = rest.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _define(scope, node)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            for name in node.names:
                scope.imports[name.asname or name.name.partition(".")[0]] = (
                    name.name if name.asname else name.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, scope.source)
            for name in node.names:
                if name.name == "*":
                    scope.stars.append(module)
                else:
                    scope.imports[name.asname or name.name] = f"{module}.{name.name}"
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                _bind(scope, target, "value", node.value)
        elif isinstance(node, ast.AnnAssign):
            _bind(scope, node.target, "annotated", node.annotation)
            if node.value is not None:
                _bind(scope, node.target, "value", node.value)
        elif isinstance(node, ast.NamedExpr | ast.AugAssign):
            _bind(scope, node.target, "value", node.value)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            _bind(scope, node.target, "item", node.iter)
        elif isinstance(node, ast.Return) and node.value is not None:
            scope.returns.append(node.value)
        rest += reversed(list(ast.iter_child_nodes(node)))


def _define(scope: Scope, node: ast.ClassDef | FunctionNode) -> None:
    owner = scope if isinstance(scope.node, ast.ClassDef) and not isinstance(node, ast.ClassDef) else None
    made = Scope(node, scope.source, scope, owner)
    # Of two definitions with one name, as in `try … except ImportError`, the first counts.
    name = node.name if node.name not in scope.definitions else f"{node.name} in line {node.lineno}"
    scope.definitions[name] = made
    if not isinstance(node, ast.ClassDef):
        arguments = node.args
        for parameter in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if parameter.annotation is not None:
                made.expressions.setdefault(parameter.arg, []).append(("annotated", parameter.annotation))
    _fill(made, node.body)


def _bind(scope: Scope, target: ast.expr, how: How, value: ast.expr) -> None:
    if isinstance(target, ast.Name):
        scope.expressions.setdefault(target.id, []).append((how, value))
    elif isinstance(target, ast.Tuple | ast.List) and target.elts and how == "value":
        _bind(scope, target.elts[0], "first", value)
    elif isinstance(target, ast.Attribute) and scope.owner is not None and _is_name(target.value, scope.first_parameter):
        scope.owner.attributes.setdefault(target.attr, []).append((how, value, scope))


def _is_name(node: ast.expr, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def absolute(node: ast.ImportFrom, source: Source) -> str:
    """Return the module that `from … import` names, without leading dots."""
    if not node.level:
        return node.module or ""
    up = node.level - source.path.endswith("/__init__.py")
    package = source.name.split(".")[: len(source.name.split(".")) - up]
    return ".".join([*package, *([node.module] if node.module else [])])

"""The rules between contexts, as functions that return what breaks them. System checks and tests use the same ones.

Static imports are not here: import-linter reads those (`[tool.importlinter]` in pyproject.toml). What is computed at run time
can't be read from the source; a guard has to watch the statements themselves.
"""

import ast
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import models

RELATION_HINT = "Keep the id as a plain field, and take the facts that you need by events."
CODE_HINT = "Take the other context's facts by events or from its API, and keep your own copy of them."

#: Calls whose first argument names an app, a model or a module.
NAMING_CALLS = {
    "get_model": "a model",
    "get_registered_model": "a model",
    "get_app_config": "the app",
    "import_module": "a module",
    "import_string": "a module",
    "__import__": "a module",
}
#: Calls whose first argument is a database alias.
ALIAS_CALLS = {"using", "db_manager", "atomic", "get_connection"}
#: Arguments by these names are database aliases in every call; these mappings are looked up by alias or by app.
ALIAS_ARGUMENTS = {"using", "database"}
LOOKED_UP = {"connections": "the database", "DATABASES": "the database", "app_configs": "the app", "all_models": "a model"}


@dataclass(frozen=True)
class Finding:
    """One crossing: what it is, what to do instead, and the field or the `file:line` where it is."""

    message: str
    hint: str
    where: Any


# --- Relations -----------------------------------------------------------------------------------------------------------


def crossing_relations(placement: Callable[[str], str], *, everywhere: Collection[str]) -> list[Finding]:
    """Relation fields, and proxies, that lead into another database.

    Parameters
    ----------
    placement
        An app's label to the name of the database that its models are in.
    everywhere
        Labels of apps whose tables are in every context's database, so that each context may show them by proxies.
    """
    found = []
    for model in apps.get_models():
        here = placement(model._meta.app_label)
        for field, ends in _relations(model, everywhere):
            away = [end for end in ends if placement(_app_of(end, model)) != here]
            if away:  # a field whose far model and `through` are both away is one finding
                name = away[0] if isinstance(away[0], str) else away[0]._meta.label
                message = f"This leads from {here} to {name}, in another database."
                found.append(Finding(message, RELATION_HINT, field))
    return found


def _relations(model: type[models.Model], everywhere: Collection[str]) -> Iterator[tuple[Any, list[Any]]]:
    """Each relation field, with the models it leads to: the far one, and a many-to-many's `through`."""
    options = model._meta
    # A proxy is its model's table by another name.
    if options.proxy and options.concrete_model and options.concrete_model._meta.app_label not in everywhere:
        yield model, [options.concrete_model]
    for field in (*options.local_fields, *options.local_many_to_many, *options.private_fields):
        remote = getattr(field, "remote_field", None)
        ends = [getattr(remote, "model", None), getattr(remote, "through", None)]
        yield field, [end for end in ends if end is not None]


def _app_of(end: Any, model: type[models.Model]) -> str:
    """The app of a model, or of its name where it isn't installed: `users.User`. A bare `User` or `self` is at home."""
    if isinstance(end, str):
        return end.rpartition(".")[0] or model._meta.app_label
    return str(end._meta.app_label)


# --- Code ----------------------------------------------------------------------------------------------------------------


def crossing_code(folder: Path, *, context: str, contexts: Collection[str], storage: Mapping[str, str]) -> list[Finding]:
    """Places in a context's source that reach into another context.

    Parameters
    ----------
    folder
        The context's app. Every module under it is read.
    contexts
        The names of all contexts, also of those that aren't installed here.
    storage
        What the contexts' storage is called (tables, files, variables): name to context.
    """
    found = []
    for path in sorted(folder.rglob("*.py")):
        scanner = _Scanner(set(contexts) - {context}, {name: owner for name, owner in storage.items() if owner != context})
        scanner.visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
        for line, what in scanner.found:
            place = f"{path.relative_to(folder.parent).as_posix()}:{line}"
            found.append(Finding(f"{place}: {context} reaches into {what}.", CODE_HINT, None))
    return found


class _Scanner(ast.NodeVisitor):
    """Reads one module's syntax tree: comments are not in it, and strings that are a statement (docstrings) are passed over."""

    def __init__(self, others: Collection[str], storage: Mapping[str, str]) -> None:
        self.others = others
        self.storage = {name.lower(): owner for name, owner in storage.items()}
        words = "|".join(re.escape(name) for name in sorted(self.storage, key=len, reverse=True))
        self.words = re.compile(rf"(?<!\w)(?:{words})(?!\w)" if words else r"(?!)", re.IGNORECASE)
        self.renamed: dict[str, str] = {}  # from importlib import import_module as load
        self.constants: dict[str, str] = {}  # ALIAS = "users"
        self.found: list[tuple[int, str]] = []

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.renamed |= {name.asname: name.name for name in node.names if name.asname}

    def visit_Assign(self, node: ast.Assign) -> None:
        text = self._text(node.value)
        if text is not None:
            self.constants |= {target.id: text for target in node.targets if isinstance(target, ast.Name)}
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self._name(node.func)
        if name in NAMING_CALLS:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._report(argument, NAMING_CALLS[name], f"by {name}()")
        elif name in ALIAS_CALLS and node.args:
            self._report(node.args[0], "the database", f"by {name}()")
        for keyword in node.keywords:
            if keyword.arg in ALIAS_ARGUMENTS:
                self._report(keyword.value, "the database", f"by {keyword.arg}=")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        name = self._name(node.value)
        if name in LOOKED_UP:
            self._report(node.slice, LOOKED_UP[name], f"by {name}[]")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        # Raw SQL has no mark of its own, so every string counts: nothing else is called like another context's table.
        if isinstance(node.value, str):
            for word in dict.fromkeys(self.words.findall(node.value)):
                self.found.append((node.lineno, f"{self.storage[word.lower()]}: it names its storage, {word}"))

    def _report(self, node: ast.expr, what: str, how: str) -> None:
        owner = (self._text(node) or "").partition(".")[0].lower()
        if owner in self.others:
            self.found.append((node.lineno, f"{owner}: it gets {what} {how}"))

    def _name(self, node: ast.expr) -> str:
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        return self.renamed.get(name, name)

    def _text(self, node: ast.expr) -> str | None:
        """The string that an expression is, or begins with: a literal, a constant of this module, an f-string."""
        if isinstance(node, ast.JoinedStr) and node.values:
            node = node.values[0]
        if isinstance(node, ast.Name):
            return self.constants.get(node.id)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None

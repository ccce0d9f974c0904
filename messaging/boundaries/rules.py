"""The rules between contexts, as functions that return violations. System checks and tests use the same functions.

Static imports aren't checked here but by import-linter (`[tool.importlinter]` in pyproject.toml). Names that are computed at run
time can't be read from the source; for those, a guard has to watch the SQL statements.
"""

import ast
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import models

RELATION_HINT = "Store the id in a plain field, and get the facts that you need by events."
CODE_HINT = "Get the other context's facts by events or from its API, and keep your own copy of them."

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
#: Arguments with these names are database aliases in every call. The mappings are indexed by alias, app or model.
ALIAS_ARGUMENTS = {"using", "database"}
LOOKED_UP = {"connections": "the database", "DATABASES": "the database", "app_configs": "the app", "all_models": "a model"}


@dataclass(frozen=True)
class Finding:
    """One crossing."""

    #: What it is; for code, with `file:line`.
    message: str
    #: What to do instead.
    hint: str
    #: The field or the model; None for code.
    where: Any


# --- Relations -----------------------------------------------------------------------------------------------------------


def crossing_relations(placement: Callable[[str], str], *, everywhere: Collection[str]) -> list[Finding]:
    """Find relation fields and proxies that lead to another owner's models, even in one database.

    Parameters
    ----------
    placement
        Returns the name of the owner of an app's models, given its label.
    everywhere
        Labels of apps whose tables are in every context's database, so that each context may have proxies of them.
    """
    found = []
    for model in apps.get_models():
        here = placement(model._meta.app_label)
        for field, ends in _relations(model, everywhere):
            away = [end for end in ends if placement(_app_of(end, model)) != here]
            if away:  # one finding, even if target and `through` both cross
                name = away[0] if isinstance(away[0], str) else away[0]._meta.label
                message = f"This leads from {here} to {name}, which {here} doesn't own."
                found.append(Finding(message, RELATION_HINT, field))
    return found


def _relations(model: type[models.Model], everywhere: Collection[str]) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each relation field with the models it leads to: its target, and the `through` of a many-to-many."""
    options = model._meta
    # A proxy uses the table of its concrete model.
    if options.proxy and options.concrete_model and options.concrete_model._meta.app_label not in everywhere:
        yield model, [options.concrete_model]
    for field in (*options.local_fields, *options.local_many_to_many, *options.private_fields):
        remote = getattr(field, "remote_field", None)
        ends = [getattr(remote, "model", None), getattr(remote, "through", None)]
        yield field, [end for end in ends if end is not None]


def _app_of(end: Any, model: type[models.Model]) -> str:
    """Return the app of a model, or of a name like `users.User`. A name without an app is in the model's own app."""
    if isinstance(end, str):
        return end.rpartition(".")[0] or model._meta.app_label
    return str(end._meta.app_label)


# --- Code ----------------------------------------------------------------------------------------------------------------


def crossing_code(
    folder: Path, *, context: str, contexts: Collection[str], storage: Mapping[str, str], alias: str = ""
) -> list[Finding]:
    """Find places in a context's source that reach into another context.

    Parameters
    ----------
    folder
        The folder of the context's app. Every module in it is read.
    context
        The context's name.
    contexts
        The names of all contexts, including those that aren't installed here.
    storage
        The names of the contexts' tables, database files and variables, each with its context.
    alias
        The database alias of this context. It may be called as another context whose database it shares.
    """
    found = []
    for path in sorted(folder.rglob("*.py")):
        scanner = _Scanner(set(contexts) - {context}, {name: owner for name, owner in storage.items() if owner != context}, alias)
        scanner.visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
        for line, what in scanner.found:
            place = f"{path.relative_to(folder.parent).as_posix()}:{line}"
            found.append(Finding(f"{place}: {context} reaches into {what}.", CODE_HINT, None))
    return found


class _Scanner(ast.NodeVisitor):
    """Read one module's syntax tree, without comments and docstrings."""

    def __init__(self, others: Collection[str], storage: Mapping[str, str], alias: str) -> None:
        self.others, self.alias = others, alias
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
        # Raw SQL can't be recognised, so every string counts: only another context's table has such a name.
        if isinstance(node.value, str):
            for word in dict.fromkeys(self.words.findall(node.value)):
                self.found.append((node.lineno, f"{self.storage[word.lower()]}: it names its storage, {word}"))

    def _report(self, node: ast.expr, what: str, how: str) -> None:
        owner = (self._text(node) or "").partition(".")[0].lower()
        if owner in self.others and (what != "the database" or owner != self.alias.lower()):
            self.found.append((node.lineno, f"{owner}: it gets {what} {how}"))

    def _name(self, node: ast.expr) -> str:
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        return self.renamed.get(name, name)

    def _text(self, node: ast.expr) -> str | None:
        """Return the text of a literal, of a constant of this module, or of the beginning of an f-string."""
        if isinstance(node, ast.JoinedStr) and node.values:
            node = node.values[0]
        if isinstance(node, ast.Name):
            return self.constants.get(node.id)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None

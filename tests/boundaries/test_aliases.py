"""`messaging` never uses a context's name as a database alias.

A database that it passes to Django is called `using` or `alias`. From `consumer` upwards such a parameter has the type `Alias`, and
mypy rejects a plain string there. Below that, and at the doors, hosts pass strings. `tests/contexts/test_aliases.py` runs it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from messaging.models import OwnedModel

MESSAGING = Path(__file__).parents[2] / "messaging"
#: The names that an alias may have.
CALLED = {"alias", "using"}


def handed_over(tree: ast.AST) -> Iterator[ast.expr]:
    """Return the databases that a module passes to Django or to its own functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "using")
            if isinstance(node.func, ast.Attribute) and (node.func.attr == "using" or _is_rows(node.func)):
                yield from node.args
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "connections":
            yield node.slice


def _is_rows(function: ast.Attribute) -> bool:
    """Return True for `Model.objects.of`."""
    return function.attr == "of" and isinstance(function.value, ast.Attribute) and function.value.attr == "objects"


def rows_of_all_contexts(source: str) -> list[str]:
    """Return the queries of messaging's own tables that don't say whose rows they want."""
    owned = {model.__name__ for model in apps.get_app_config("messaging").get_models() if issubclass(model, OwnedModel)}
    owned |= {"Head"}  # `Sequence`, where the word is taken
    tree = ast.parse(source)
    rows = re.compile(rf"(?:{'|'.join(sorted(owned))})\.(?:objects|_base_manager)\.(?!of\()")
    made = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _creates(node)]
    found = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [text for text in found if rows.match(text) and not any(text.startswith(one) or one.startswith(text) for one in made)]


def _creates(call: ast.Call) -> bool:
    """Return True for a call that creates a row and names its context."""
    named = any(word.arg == "context" for word in call.keywords)
    return named and isinstance(call.func, ast.Attribute) and call.func.attr == "create"


def names_for_aliases(source: str) -> list[str]:
    """Return the passed databases that don't have an alias's name."""
    return [
        ast.unparse(given)
        for given in handed_over(ast.parse(source))
        if not (isinstance(given, ast.Name) and given.id in CALLED)
        and not (isinstance(given, ast.Attribute) and given.attr in CALLED)
    ]


def test_messaging_hands_over_aliases() -> None:
    found = {str(path.relative_to(MESSAGING)): names_for_aliases(path.read_text()) for path in MESSAGING.rglob("*.py")}
    assert {name: given for name, given in found.items() if given and "migrations" not in name} == {}


def test_messaging_reads_only_its_context_s_rows() -> None:
    found = {str(path.relative_to(MESSAGING)): rows_of_all_contexts(path.read_text()) for path in MESSAGING.rglob("*.py")}
    assert {name: given for name, given in found.items() if given and "migrations" not in name} == {}


@pytest.mark.parametrize(
    "planted", ["Subscription.objects.using(alias).get()", "Head.objects.using(using)", "Mark.objects.first()"]
)
def test_a_query_of_all_contexts_is_found(planted: str) -> None:
    assert rows_of_all_contexts(planted)


@pytest.mark.parametrize(
    "planted",
    [
        "Subscription.objects.of(consumer).get(authority=authority)",
        "with transaction.atomic(using=consumer): pass",
        "row.save(using=context.name)",
        "connections[self.consumer].close()",
        "connections['users'].close()",
    ],
)
def test_a_name_is_found(planted: str) -> None:
    assert len(names_for_aliases(planted)) == 1

"""`messaging` never uses a context's name as a database alias.

A database that it passes to Django is called `using` or `alias`. From `consumer` upwards such a parameter has the type `Alias`, and
mypy rejects a plain string there. Below that, and at the doors, hosts pass strings. `tests/contexts/test_aliases.py` runs it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

MESSAGING = Path(__file__).parents[2] / "messaging"
#: The names that an alias may have.
CALLED = {"alias", "using"}


def handed_over(tree: ast.AST) -> Iterator[ast.expr]:
    """Return the databases that a module passes to Django or to its own functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "using")
            if isinstance(node.func, ast.Attribute) and node.func.attr == "using":
                yield from node.args
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "connections":
            yield node.slice


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


@pytest.mark.parametrize(
    "planted",
    [
        "Subscription.objects.using(consumer).get(pk=authority)",
        "with transaction.atomic(using=consumer): pass",
        "row.save(using=context.name)",
        "connections[self.consumer].close()",
        "connections['users'].close()",
    ],
)
def test_a_name_is_found(planted: str) -> None:
    assert len(names_for_aliases(planted)) == 1

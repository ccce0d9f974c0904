"""Visits every node of a module once, and shows each to the kinds that look at code."""

import ast
from collections.abc import Iterable, Iterator
from typing import Protocol

from messaging.boundaries.crossings.code import Code
from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import Follower
from messaging.boundaries.crossings.host import Source
from messaging.boundaries.crossings.scopes import Scope

#: Nodes in which no kind finds anything.
UNREAD = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)


class Place:
    """Where a node is: its module and its scope. Makes the crossings that are found there."""

    def __init__(self, source: Source, scope: Scope, follower: Follower) -> None:
        self.source, self.scope, self.follower = source, scope, follower

    def crossing(self, kind: str, target: str | None, line: int, what: str) -> Iterator[Crossing]:
        """Yield a crossing, unless it stays in the app or leads to none."""
        if target is not None and target != self.source.app:
            yield Crossing(kind, self.source.app, target, self.source.path, line, what)


class Kind(Protocol):
    """A function that finds the crossings of a node, without those of the nodes in it."""

    def __call__(self, node: ast.AST, place: Place) -> Iterable[Crossing]: ...


def walk(code: Code, follower: Follower, kinds: Iterable[Kind]) -> Iterator[Crossing]:
    """Yield the crossings in all modules of the surveyed apps."""
    kinds = list(kinds)
    for source in code.host.sources.values():
        rest: list[tuple[ast.AST, Place]] = [(source.tree, Place(source, code.of(source), follower))]
        while rest:
            node, place = rest.pop()
            for kind in kinds:
                yield from kind(node, place)
            scope = code.scopes.get(node)
            inside = Place(source, scope, follower) if scope is not None else place
            for name, value in ast.iter_fields(node):
                # Decorators, bases and defaults are read outside of the function or class.
                there = inside if name == "body" else place
                for child in value if isinstance(value, list) else (value,):
                    if isinstance(child, ast.AST) and not isinstance(child, UNREAD):
                        rest.append((child, there))

"""`crossings`, as `messaging.boundaries` has it."""

from messaging.boundaries.management.commands.crossings import Command

__all__ = ["Command"]

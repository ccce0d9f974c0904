"""The result of receiving a message, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How many of a message's events were applied, duplicate, obsolete or parked. Together they are all of its events."""

    applied: int = 0
    duplicate: int = 0
    obsolete: int = 0
    parked: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.applied + other.applied,
            self.duplicate + other.duplicate,
            self.obsolete + other.obsolete,
            self.parked + other.parked,
        )

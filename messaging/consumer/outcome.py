"""The result of receiving a message, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How many of a message's events were applied, duplicate, obsolete or parked. The sum is all of its events."""

    applied: int = 0
    #: Events that had arrived before.
    duplicate: int = 0
    #: Events older than the version that the copy has.
    obsolete: int = 0
    parked: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.applied + other.applied,
            self.duplicate + other.duplicate,
            self.obsolete + other.obsolete,
            self.parked + other.parked,
        )

"""The port through which billing asks which users it may invoice. Each adapter gives the answer from another place.

An adapter that belongs to another context and this module don't import each other. The project wires the adapter in by a dotted
path (`settings.BILLING`), and only plain values cross: (id, status, version).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

ACTIVE, ERASED = "active", "erased"


class Standing(NamedTuple):
    """A source's answer about a user."""

    user_id: UUID
    status: str
    version: int  #: The user's version at that source. An invoice keeps the version that it was decided on.

    @property
    def may_be_invoiced(self) -> bool:
        return self.status == ACTIVE


class Adapter(Protocol):
    """Gives a live source's answers to `billing.sources.live.Live`."""

    calls: int  #: Calls so far, over HTTP or to a database.
    authority: str  #: The context whose versions its answers carry.
    failures: tuple[type[Exception], ...]  #: The errors that it raises if it can't answer.
    at_once: int  #: The most users per commit; 0 leaves it to the caller.

    def after(self, user_id: UUID | None, limit: int) -> Sequence[tuple[UUID, str, int]]:
        """Return the next (id, status, version) by id, of any status; empty at the end."""

    def one(self, user_id: UUID) -> tuple[UUID, str, int] | None:
        """Return one user; None if unknown."""

    def close(self) -> None:
        """Release connections."""


class Source(Protocol):
    """Tells `invoices_generate` which users it may invoice."""

    name: str
    is_copy: bool  #: True if it has an age, which a policy judges.

    @property
    def authority(self) -> str:
        """The context whose versions its answers carry. Each authority counts its own."""

    @property
    def calls(self) -> int:
        """Calls to another context so far."""

    @property
    def seconds(self) -> float:
        """Time that these calls took."""

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        """Return the users after this one, ordered by id; empty after the last. A copy leaves out inactive users. Raises
        `SourceAway`."""

    def one(self, user_id: UUID) -> Standing | None:
        """Return one user; None if unknown. Raises `SourceAway`."""

    def confirmed(self, standings: Sequence[Standing]) -> Sequence[Standing]:
        """Return those that may be invoiced, in the caller's transaction. A copy reads and locks its rows again, so a suspension
        that arrives now waits for the invoices and flags them."""

    def skipped(self, first: UUID | None, last: UUID | None) -> int:
        """Count the users after `first`, up to `last`, that may not be invoiced; None is no bound."""

    def undecided(self, period: str, after: UUID | None) -> int:
        """Count the users after this one that billing knows and that have no invoice for the month."""

    def close(self) -> None:
        """Release connections."""

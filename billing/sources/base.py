"""The port: "whom may I invoice?", and nothing else. What answers is an adapter, and billing's work is the same with each.

An adapter that belongs to another context can't import from here, nor the other way round: the project wires it in by a dotted path
(`settings.BILLING`), and what crosses is plain values, (id, status, version).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

ACTIVE, ERASED = "active", "erased"


class Standing(NamedTuple):
    """What is said of a user. `version`: the user's, where the answer is from; an invoice keeps the one that it was decided on."""

    user_id: UUID
    status: str
    version: int

    @property
    def may_be_invoiced(self) -> bool:
        return self.status == ACTIVE


class Adapter(Protocol):
    """A live source, behind `billing.sources.live.Live`. `calls`: questions asked so far, over the wire or to a database.
    `authority`: whose versions its answers carry. `failures`: what it raises when it can't answer. `at_once`: users to ask for at
    a time, where the work between two commits should stay small; 0 leaves it to the caller."""

    calls: int
    authority: str
    failures: tuple[type[Exception], ...]
    at_once: int

    def after(self, user_id: UUID | None, limit: int) -> Sequence[tuple[UUID, str, int]]:
        """(id, status, version) of the next users by id, of any status; empty at the end."""

    def one(self, user_id: UUID) -> tuple[UUID, str, int] | None:
        """One user; None for who isn't known."""

    def close(self) -> None:
        """Nothing more is asked."""


class Source(Protocol):
    """What `invoices_generate` works with. `is_copy`: only a copy has an age, and a policy for what to do past it.
    `calls` and `seconds`: how often somebody else was asked, and how long that took."""

    name: str
    is_copy: bool

    @property
    def authority(self) -> str:
        """Whose versions its answers carry: each authority counts for itself."""

    @property
    def calls(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        """The next users to decide on, in the order of their ids; none behind the last. A copy leaves out those who it knows may
        not be invoiced: it has an index of the others. Raises `SourceAway`."""

    def one(self, user_id: UUID) -> Standing | None:
        """One user; None for who isn't known. Raises `SourceAway`."""

    def confirmed(self, standings: Sequence[Standing]) -> Sequence[Standing]:
        """Those of them who may be invoiced, in the caller's transaction. A copy's rows are read again and locked: a suspension
        that arrives now waits for the invoices, and flags them."""

    def skipped(self, first: UUID | None, last: UUID | None) -> int:
        """How many users behind `first`, up to `last`, may not be invoiced; None is no bound."""

    def undecided(self, period: str, after: UUID | None) -> int:
        """How many users behind this one have no invoice for the month, as far as billing itself can tell."""

    def close(self) -> None:
        """Nothing more is asked."""

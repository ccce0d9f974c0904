"""Wraps an adapter to another context: answers become `Standing`s, failures become one error, and calls are timed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from billing import selectors
from billing.errors import SourceAway
from billing.models import Cutover
from billing.sources.base import Adapter, Standing
from messaging.events import kind


class Live:
    """A `Source` that asks another context. Its answers are always fresh, but there are none while that context doesn't answer."""

    is_copy = False

    def __init__(self, name: str, adapter: Adapter) -> None:
        self.name, self.adapter = name, adapter
        self.seconds = 0.0
        self._refused: list[UUID] = []

    @property
    def authority(self) -> str:
        return self.adapter.authority

    @property
    def calls(self) -> int:
        return self.adapter.calls

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        with self._asking():
            standings = [Standing(*row) for row in self.adapter.after(user_id, min(limit, self.adapter.at_once or limit))]
        self._refused += [standing.user_id for standing in standings if not standing.may_be_invoiced]
        return standings

    def one(self, user_id: UUID) -> Standing | None:
        with self._asking():
            found = self.adapter.one(user_id)
        return Standing(*found) if found else None

    def confirmed(self, standings: Sequence[Standing]) -> Sequence[Standing]:
        """Trust the answers of a moment ago, because billing can't lock another context's rows."""
        return [standing for standing in standings if standing.may_be_invoiced]

    def skipped(self, first: UUID | None, last: UUID | None) -> int:
        return sum((first is None or first < user) and (last is None or user <= last) for user in self._refused)

    def undecided(self, period: str, after: UUID | None) -> int:
        return selectors.known_uninvoiced_count(period=period, after=after)

    def close(self) -> None:
        self.adapter.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        except self.adapter.failures as error:
            words = " ".join(str(error).split()).rstrip(".") or kind(error)
            where = Cutover.Source(self.name).label
            raise SourceAway(f"Billing is down, because it reads users from {where} and gets no answer: {words}.") from error
        finally:
            self.seconds += time.perf_counter() - started

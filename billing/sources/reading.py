"""Reads the users for one run from the chosen source, which may change between two batches."""

from collections.abc import Sequence
from uuid import UUID

from billing.sources import choice
from billing.sources.base import Source, Standing


class Reading:
    """Follows the choice, and adds up each source's skipped users and cost. Raises `SourceAway` if this process lacks it."""

    def __init__(self) -> None:
        self.source: Source = choice.current()
        self._before: list[Source] = []
        self._since: UUID | None = None
        self._skipped = 0

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        """Return the users after this one from the source chosen now. All sources order ids alike, so one can continue where
        another stopped."""
        source = choice.current(self.source)
        if source is not self.source:
            self._skipped += self.source.skipped(self._since, user_id)
            self._before.append(self.source)
            self.source, self._since = source, user_id
        return self.source.after(user_id, limit)

    def skipped(self) -> int:
        """Count the users read so far that may not be invoiced."""
        return self._skipped + self.source.skipped(self._since, None)

    @property
    def calls(self) -> int:
        return sum(source.calls for source in (*self._before, self.source))

    @property
    def seconds(self) -> float:
        return sum(source.seconds for source in (*self._before, self.source))

    def close(self) -> None:
        self.source.close()

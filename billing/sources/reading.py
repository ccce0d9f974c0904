"""One run's reading of users: from the chosen source, which may change between two batches."""

from collections.abc import Sequence
from uuid import UUID

from billing.sources import choice
from billing.sources.base import Source, Standing


class Reading:
    """Follows the choice, and adds up what each source left out and cost. Raises `SourceAway` where this process lacks it."""

    def __init__(self) -> None:
        self.source: Source = choice.current()
        self._before: list[Source] = []
        self._since: UUID | None = None
        self._skipped = 0

    def after(self, user_id: UUID | None, limit: int) -> Sequence[Standing]:
        """The next users to decide on, by the source that is chosen now. Ids have one order everywhere, so one source can go on
        where another stopped."""
        source = choice.current(self.source)
        if source is not self.source:
            self._skipped += self.source.skipped(self._since, user_id)
            self._before.append(self.source)
            self.source, self._since = source, user_id
        return self.source.after(user_id, limit)

    def skipped(self) -> int:
        """How many users may not be invoiced, so far as they were read."""
        return self._skipped + self.source.skipped(self._since, None)

    @property
    def calls(self) -> int:
        return sum(source.calls for source in (*self._before, self.source))

    @property
    def seconds(self) -> float:
        return sum(source.seconds for source in (*self._before, self.source))

    def close(self) -> None:
        self.source.close()

"""Django's databases without the log of statements that `DEBUG` switches on.

It keeps the last 9,000 of each connection, formatted once more. Ours hold a thousand rows each, and a relay runs for days: that is
gigabytes. `assertNumQueries` and `CaptureQueriesContext` ask for the log themselves, and still get it.
"""

from django.db.backends.base.base import BaseDatabaseWrapper


class LogsOnRequest(BaseDatabaseWrapper):
    """A connection that logs statements only where a caller asks for it."""

    @property
    def queries_logged(self) -> bool:
        return bool(self.force_debug_cursor)

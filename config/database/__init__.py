"""Django's database backends without the statement log that `DEBUG` enables.

That log keeps the last 9,000 statements of each connection. Ours have a thousand rows each, and a relay runs for days, so it would
take gigabytes. `assertNumQueries` and `CaptureQueriesContext` enable the log themselves and still work.
"""

from django.db.backends.base.base import BaseDatabaseWrapper


class LogsOnRequest(BaseDatabaseWrapper):
    """A connection that logs statements only if a caller enables the log."""

    @property
    def queries_logged(self) -> bool:
        return bool(self.force_debug_cursor)

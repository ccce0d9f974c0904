"""The project itself as a Django app: it has no tables, only system checks."""

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from config import checks  # noqa: F401  (checks register themselves)

        # With DEBUG Django keeps the last 9,000 statements of each connection, formatted once more. Ours hold a thousand rows each,
        # and a relay runs for days: that is gigabytes. Tests that count queries ask for the log themselves, and still get it.
        BaseDatabaseWrapper.queries_logged = property(lambda connection: connection.force_debug_cursor)  # type: ignore

"""The project itself as a Django app: it has no tables, only system checks."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from config.environment import VAR

#: What others of this machine may do with a file.
OTHERS_MODE = 0o077


def _keep_to_ourselves(connection: BaseDatabaseWrapper, **more: Any) -> None:
    """Let nobody else of this machine read a SQLite file under `var/`, nor the two beside it: they hold names and addresses. SQLite
    makes them as the umask says. A file that somebody placed elsewhere keeps the rights that they gave it."""
    if connection.vendor != "sqlite":
        return
    path = Path(str(connection.settings_dict["NAME"]))
    if VAR not in path.parents:
        return
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(OSError):  # it isn't there, or is another user's
            mode = file.stat().st_mode
            if mode & OTHERS_MODE:
                file.chmod(mode & 0o7700)


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from config import checks  # noqa: F401  (checks register themselves)

        connection_created.connect(_keep_to_ourselves)

        # With DEBUG Django keeps the last 9,000 statements of each connection, formatted once more. Ours hold a thousand rows each,
        # and a relay runs for days: that is gigabytes. Tests that count queries ask for the log themselves, and still get it.
        BaseDatabaseWrapper.queries_logged = property(lambda connection: connection.force_debug_cursor)  # type: ignore

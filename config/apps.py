"""The project as a Django app. It has system checks and no tables."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from config import broker
from config.env import VAR

#: The permission bits of other users of this machine.
OTHERS_MODE = 0o077


def _keep_to_ourselves(connection: BaseDatabaseWrapper, **more: Any) -> None:
    """Make a SQLite file under `var/`, its -wal and its -shm private, because they have personal data and SQLite follows the umask.
    A file elsewhere keeps its permissions."""
    if connection.vendor != "sqlite":
        return
    path = Path(str(connection.settings_dict["NAME"]))
    if VAR not in path.parents:
        return
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(OSError):  # it doesn't exist, or another user owns it
            mode = file.stat().st_mode
            if mode & OTHERS_MODE:
                file.chmod(mode & 0o7700)


def _make_folders() -> None:
    """Make the folders that SQLite and kombu's filesystem transport need. Importing the settings makes none."""
    folders = [VAR] if any(VAR in Path(str(database["NAME"])).parents for database in settings.DATABASES.values()) else []
    if broker.url().startswith("filesystem:"):
        folders += broker.MESSAGE_FOLDERS
    for folder in folders:
        with suppress(OSError):  # `make run` reports it before, SQLite at the first statement
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from config import boundaries, checks  # noqa: F401  (checks register themselves)

        _make_folders()
        connection_created.connect(_keep_to_ourselves)

"""The project itself as a Django app: it has no tables, only system checks."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from config import broker
from config.env import VAR

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


def _make_folders() -> None:
    """Make the folders that SQLite and kombu's filesystem transport expect to be there. Importing the settings makes none."""
    folders = [VAR] if any(VAR in Path(str(database["NAME"])).parents for database in settings.DATABASES.values()) else []
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        folders += broker.MESSAGE_FOLDERS
    for folder in folders:
        with suppress(OSError):  # `make run` says it in a sentence; SQLite says it at the first statement
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from config import boundaries, checks  # noqa: F401  (checks register themselves)

        _make_folders()
        connection_created.connect(_keep_to_ourselves)

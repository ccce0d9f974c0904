"""The SQLite backend of `config.database`. Django expects it in a module `base`."""

from django.db.backends.sqlite3 import base

from config.database import LogsOnRequest


class DatabaseWrapper(LogsOnRequest, base.DatabaseWrapper):
    pass

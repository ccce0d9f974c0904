"""Django's backend for SQLite, as `config.database` has it. Django looks for the class in a module `base`."""

from django.db.backends.sqlite3 import base

from config.database import LogsOnRequest


class DatabaseWrapper(LogsOnRequest, base.DatabaseWrapper):
    pass

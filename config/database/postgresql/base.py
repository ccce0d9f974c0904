"""Django's backend for PostgreSQL, as `config.database` has it. Django looks for the class in a module `base`."""

from django.db.backends.postgresql import base

from config.database import LogsOnRequest


class DatabaseWrapper(LogsOnRequest, base.DatabaseWrapper):
    pass

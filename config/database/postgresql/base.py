"""The PostgreSQL backend of `config.database`. Django expects it in a module `base`."""

from django.db.backends.postgresql import base

from config.database import LogsOnRequest


class DatabaseWrapper(LogsOnRequest, base.DatabaseWrapper):
    pass

"""The SQLite backend of `config.database`. Django expects it in a module `base`."""

from django.db.backends.sqlite3 import base, features

from config.database import LogsOnRequest


class DatabaseFeatures(features.DatabaseFeatures):
    """Django asks each database if it knows JSON, in a transaction. Ours are immediate: they wait for a writer and fail in a
    read-only database. From Django 6.1 on, every command that runs checks would ask, and so would a worker when it starts."""

    supports_json_field = True


class DatabaseWrapper(LogsOnRequest, base.DatabaseWrapper):
    features_class = DatabaseFeatures

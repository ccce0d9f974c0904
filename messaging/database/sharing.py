"""What a database keeps for programs of the last release, which know no contexts, and drops when several contexts share it."""

from typing import Any

from django.apps import AppConfig
from django.db import connections

from messaging.models import Sequence, Subscription
from messaging.settings import names_in

#: Unique without the context. Programs of the last release name these columns in `ON CONFLICT`.
LEGACY = ("messaging_legacy_unknown", "messaging_legacy_lost_erasure")


def drop_legacy_after_migrate(app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """After `migrate`: drop these indexes if the database has several contexts, by the settings or by its rows."""
    if app_config.label != "messaging" or len(_contexts(using)) < 2:
        return
    with connections[using].cursor() as cursor:
        for name in LEGACY:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")


def _contexts(using: str) -> set[str]:
    found = set(names_in(using))
    with connections[using].cursor() as cursor:
        for model in (Sequence, Subscription):
            table = model._meta.db_table
            columns = connections[using].introspection.get_table_description(cursor, table) if _there(using, table) else []
            if "context" in {column.name for column in columns}:
                found |= set(model.objects.using(using).values_list("context", flat=True))
    return found


def _there(using: str, table: str) -> bool:
    return table in connections[using].introspection.table_names()

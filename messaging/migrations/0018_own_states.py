"""Outbox rows get states of our own, so that a relay of django-outbox-pattern leaves them alone, and the claim goes by context.

It moves only rows whose body is our envelope, in batches that each commit. Meanwhile programs of the last release may write and send
rows: relays take over what they leave (`publisher.outbox.adopt`). So it can be stopped and run again at any time. Their index,
`messaging_outbox_pending`, stays for them.
"""

import uuid
from typing import Any

from django.db import migrations

from messaging.database import engines
from messaging.database.outbox_pattern import FORMER, WAITING
from messaging.settings import contexts

BATCH_ROWS = 1000


def _indexes(schema_editor: Any) -> dict[str, str]:
    engine = engines.for_alias(schema_editor.connection.alias)
    return {
        "messaging_outbox_waiting": f"(({engine.CONTEXT}), added, id) WHERE status = {WAITING}",
        "messaging_outbox_former": f"(({engine.CONTEXT}), id) WHERE {engine.MAY_BE_FORMER}",
    }


def create_indexes(apps: Any, schema_editor: Any) -> None:
    drop_indexes(apps, schema_editor)  # PostgreSQL keeps an invalid index of a run that was stopped
    for name, definition in _indexes(schema_editor).items():
        schema_editor.execute(f"CREATE INDEX {_concurrently(schema_editor)} {name} ON published {definition}")


def drop_indexes(apps: Any, schema_editor: Any) -> None:
    for name in _indexes(schema_editor):
        schema_editor.execute(f"DROP INDEX {_concurrently(schema_editor)} IF EXISTS {name}")


def _concurrently(schema_editor: Any) -> str:
    """On PostgreSQL, writers of the outbox don't wait for the index."""
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def move(apps: Any, schema_editor: Any) -> None:
    from messaging.publisher import outbox

    alias = schema_editor.connection.alias
    for context in contexts().values():
        last = uuid.UUID(int=0)
        while context.alias == alias and (moved := outbox.adopt(alias, context.name, BATCH_ROWS, after=last)):
            last = moved[-1]


def move_back(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("django_outbox_pattern", "Published").objects.using(schema_editor.connection.alias)
    for theirs, state in FORMER.items():
        while keys := list(rows.filter(status=state).values_list("pk", flat=True)[:BATCH_ROWS]):
            rows.filter(pk__in=keys, status=state).update(status=theirs)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("messaging", "0017_words")]
    operations = [migrations.RunPython(create_indexes, drop_indexes), migrations.RunPython(move, move_back)]

"""A context's database at an earlier moment: it keeps all rows, and a restore puts them back."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.db import connections, models, transaction

#: Messaging's own tables, which triggers write to, so they are restored last.
PLUMBING = ("django_outbox_pattern", "messaging")


class Backup:
    """Backs up at its creation; `restore` puts the rows back."""

    def __init__(self, alias: str, models: Sequence[type[models.Model]] = ()) -> None:
        """`models`: the models to keep in addition to messaging's; by default the context's own."""
        self.alias = alias
        self._rows = {model: self._read(model) for model in self._models(models)}

    def restore(self) -> None:
        with transaction.atomic(using=self.alias), connections[self.alias].cursor() as cursor:
            for model in reversed(list(self._rows)):
                cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
            for model, rows in self._rows.items():
                if model._meta.app_label in PLUMBING:  # what the triggers wrote meanwhile
                    cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
                columns = [f'"{field.column}"' for field in model._meta.local_concrete_fields]
                places = ", ".join(["%s"] * len(columns))
                for row in rows:
                    cursor.execute(f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)}) VALUES ({places})', row)

    def _models(self, own: Sequence[type[models.Model]]) -> list[type[models.Model]]:
        labels = PLUMBING if own else (self.alias, *PLUMBING)
        known = [*own, *(model for label in labels for model in apps.get_app_config(label).get_models())]
        found = [model for model in known if not model._meta.proxy and model._meta.managed]
        # Tables that others point to come first; none here points to one that points further.
        return sorted(
            found,
            key=lambda model: (model._meta.app_label in PLUMBING, any(field.is_relation for field in model._meta.local_fields)),
        )

    def _read(self, model: type[models.Model]) -> Sequence[Sequence[Any]]:
        columns = ", ".join(self._selected(field) for field in model._meta.local_concrete_fields)
        with connections[self.alias].cursor() as cursor:
            cursor.execute(f'SELECT {columns} FROM "{model._meta.db_table}"')
            return list(cursor.fetchall())

    def _selected(self, field: "models.Field[Any, Any]") -> str:
        """Select JSON as text, because PostgreSQL's driver would return objects that it doesn't accept back."""
        text = isinstance(field, models.JSONField) and connections[self.alias].vendor == "postgresql"
        return f'"{field.column}"::text' if text else f'"{field.column}"'

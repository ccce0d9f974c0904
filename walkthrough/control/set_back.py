"""Set the users context back to a backup, as after a disk failure: rows, ledger, marks, outbox and register.

The backup is of rows and not of a database file, so it works on every engine and beside running programs. The context's own copy of
billing's invoices stays as it is: nothing changed it between backup and restore.
"""

from typing import Any

from django.db import models, transaction
from django_outbox_pattern.models import Published

from messaging.models import Consumer, Ledger, Mark, Sequence
from users.models import User

#: The ledger comes last: the triggers of the users write into it, and then its rows are replaced.
TABLES: tuple[type[models.Model], ...] = (User, Published, Consumer, Sequence, Mark, Ledger)


class Backup:
    """The users context as it is now."""

    def __init__(self) -> None:
        with transaction.atomic(using="users"):
            self._rows: dict[type[models.Model], list[Any]] = {model: list(_table(model).all()) for model in TABLES}

    def put_back(self) -> None:
        """Replace what is there by the backup."""
        with transaction.atomic(using="users"):
            for model, rows in self._rows.items():
                _table(model).all()._raw_delete("users")
                _table(model).bulk_create(rows)


def _table(model: type[models.Model]) -> Any:
    return model._base_manager.using("users")

"""Places every model in exactly one database. It raises if it can't, because a guess could write to the wrong context."""

from typing import Any

from django.db import models

from messaging.database.router import SHARED_APPS, ContextRouter, UnplacedModel
from messaging.settings import contexts

#: Django's own tables: sessions, logins, permissions, the admin's log.
DJANGO_APPS = {"admin", "auth", "contenttypes", "sessions"}


class StrictRouter(ContextRouter):
    """Places Django's own models in `default`, and no model of an unknown app."""

    def place(self, model: type[models.Model], hints: dict[str, Any]) -> str:
        found = super().place(model, hints)
        if found is not None:
            return found
        label = model._meta.app_label
        if label in DJANGO_APPS:
            return "default"
        raise UnplacedModel(
            f"{model._meta.label} belongs to no context. Add the app {label!r} to config/contexts.py, "
            "or to DJANGO_APPS in config/router.py."
        )

    def owner(self, instance: models.Model) -> str:
        label = instance._meta.app_label
        return "Django" if label in DJANGO_APPS else label

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        if app_label in contexts() or app_label in SHARED_APPS:
            return super().allow_migrate(db, app_label, model_name, **hints)
        if app_label in DJANGO_APPS:
            return db == "default"
        raise UnplacedModel(f"The app {app_label!r} has migrations but no database. Add it in config/router.py.")

"""Places every model in exactly one database. It raises if it can't, because a guess could write to the wrong context."""

from typing import Any

from django.db import models

from messaging.settings import contexts

#: Django's own tables: sessions, logins, permissions, the admin's log.
DJANGO_APPS = {"admin", "auth", "contenttypes", "sessions"}
#: Tables that are in each database with a context. Contexts that share a database share them, and each row belongs to one.
SHARED_APPS = {"messaging", "django_outbox_pattern"}


class UnplacedModel(LookupError):
    """The router can't find a single database for this model."""


class ContextRouter:
    """Places a context's models in the context's database, and messaging's models in every context's database."""

    def _place(self, model: type[models.Model], hints: dict[str, Any]) -> str:
        label = model._meta.app_label
        if label in contexts():
            return contexts()[label].alias
        if label in DJANGO_APPS:
            return "default"
        if label in SHARED_APPS:
            instance = hints.get("instance")
            if instance is not None and instance._state.db:
                return str(instance._state.db)
            raise UnplacedModel(
                f"{model._meta.label} is in every context's database. Name one of {', '.join(_aliases())}: "
                ".using(alias) or save(using=alias)."
            )
        raise UnplacedModel(
            f"{model._meta.label} belongs to no context. Add the app {label!r} to config/contexts.py, "
            "or to DJANGO_APPS or SHARED_APPS in config/router.py."
        )

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        return self._place(model, hints)

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return self._place(model, hints)

    def allow_relation(self, first: models.Model, second: models.Model, **hints: Any) -> bool:
        """Allow relations only within one owner, even if two share a database. Across contexts, keep an id instead of a foreign
        key: the context can then move to another database."""
        return self._owner(first) == self._owner(second) and self._alias_of(first) == self._alias_of(second)

    def _owner(self, instance: models.Model) -> str:
        label = instance._meta.app_label
        return "Django" if label in DJANGO_APPS else label

    def _alias_of(self, instance: models.Model) -> str:
        return instance._state.db or self._place(type(instance), {"instance": instance})

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        if app_label in contexts():
            return db == contexts()[app_label].alias
        if app_label in SHARED_APPS:
            return db in _aliases()
        if app_label in DJANGO_APPS:
            return db == "default"
        raise UnplacedModel(f"The app {app_label!r} has migrations but no database. Add it in config/router.py.")


def _aliases() -> list[str]:
    return list(dict.fromkeys(context.alias for context in contexts().values()))

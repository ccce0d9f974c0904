"""Places models in the databases of their contexts, and leaves all others to the project."""

from typing import Any

from django.db import models

from messaging.settings import contexts

#: Tables that are in each database with a context. Contexts that share a database share them, and each row belongs to one.
SHARED_APPS = {"messaging", "django_outbox_pattern"}


class UnplacedModel(LookupError):
    """The router can't find a single database for this model."""


class ContextRouter:
    """A database router: a context's models are in the context's database, and messaging's models in every context's database.

    A project whose contexts all use `default` doesn't need it. For other models it has no opinion.
    """

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return self.place(model, hints)

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        return self.place(model, hints)

    def allow_relation(self, first: models.Model, second: models.Model, **hints: Any) -> bool | None:
        """Allow relations only within one owner, even if two share a database. Across contexts, keep an id instead of a foreign
        key: the context can then move to another database."""
        known = contexts()
        if not {first._meta.app_label, second._meta.app_label} & {*known, *SHARED_APPS}:
            return None
        return self.owner(first) == self.owner(second) and self._alias_of(first) == self._alias_of(second)

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        if app_label in contexts():
            return db == contexts()[app_label].alias
        if app_label in SHARED_APPS:
            return db in _aliases()
        return None if db == "default" or db not in _aliases() else False

    def place(self, model: type[models.Model], hints: dict[str, Any]) -> str | None:
        """Return the alias of a model's database; None if it isn't for this router to say. Raises `UnplacedModel`."""
        label = model._meta.app_label
        if label in contexts():
            return str(contexts()[label].alias)
        if label not in SHARED_APPS:
            return None
        instance = hints.get("instance")
        if instance is not None and instance._state.db:
            return str(instance._state.db)
        if len(_aliases()) == 1:
            return _aliases()[0]
        raise UnplacedModel(
            f"{model._meta.label} is in every context's database. Name one of {', '.join(_aliases())}: "
            ".using(alias) or save(using=alias)."
        )

    def owner(self, instance: models.Model) -> str:
        """Return a name for those whose models may have relations to each other."""
        return instance._meta.app_label

    def _alias_of(self, instance: models.Model) -> str | None:
        return instance._state.db or self.place(type(instance), {"instance": instance})


def _aliases() -> list[str]:
    return list(dict.fromkeys(str(context.alias) for context in contexts().values()))

"""Database routers, which decide where tables are and where plain queries go."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import models, router
from django_outbox_pattern.models import Published, Received

from messaging import settings
from messaging.database.router import SHARED_APPS
from messaging.operations.checks import declared

OURS = "messaging.database.router.ContextRouter"


@register("messaging")
def routers_place_tables(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E011: a router keeps tables out of the database that their context is in, so `migrate` doesn't make them there."""
    found: dict[tuple[str, str], CheckMessage] = {}
    for name, context in declared.contexts().items():
        using = str(context.alias)
        for model in (*_plumbing(), *_own(name, using)):
            if model._meta.managed and not model._meta.proxy and not router.allow_migrate_model(using, model):
                why = f"A router keeps {model._meta.label} out of the database {using!r}, which has the context {name}."
                found.setdefault((using, model._meta.app_label), Error(why, hint=_hint(name, model), id="messaging.E011"))
    return list(found.values())


@register("messaging")
def routers_write_to_contexts(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W009: a plain query writes a tracked model or a copy in another database than its context's.

    It is a warning, because each query may name its database.
    """
    found: list[CheckMessage] = []
    for name, context in declared.contexts().items():
        for model in dict.fromkeys(_own(name, str(context.alias))):
            try:
                written = router.db_for_write(model)
            except LookupError:
                continue  # a router that doesn't guess
            if written != context.alias:
                why = (
                    f"Plain queries write {model._meta.label} in the database {written!r}, but the context {name} is in "
                    f"{str(context.alias)!r}."
                )
                found.append(Warning(why, hint=_hint(name, model), id="messaging.W009"))
    return found


def _plumbing() -> Iterator[type[models.Model]]:
    """The models whose tables are in every database with a context."""
    yield from apps.get_app_config("messaging").get_models()
    yield from (Published, Received)


def _own(context: str, using: str) -> Iterator[type[models.Model]]:
    """The models that a context tracks, and those of its copies."""
    yield from (one.model for one in declared.tracked(using) if one.context == context)
    yield from declared.copies(context)


def _hint(context: str, model: type[models.Model]) -> str:
    if model._meta.app_label not in {*settings.contexts(), *SHARED_APPS}:  # a host's own table: its context goes where it is
        return f'Set MESSAGING["CONTEXTS"]["{context}"]["database"] = "{router.db_for_write(model)}".'
    routers = [OURS, *(one for one in django_settings.DATABASE_ROUTERS if one != OURS)]
    return f"Set DATABASE_ROUTERS = {routers}."

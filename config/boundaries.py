"""The boundaries as Django system checks. So `manage.py check`, `migrate` and `runserver` refuse code that crosses them.

They go by the owner of a table, not by its database: contexts may share one.

`boundaries.E001` is a relation between owners. `boundaries.E002` is code that reaches into another context.
"""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from config.contexts import CONTEXTS
from config.router import DJANGO_APPS
from messaging.boundaries import rules
from messaging.database.router import SHARED_APPS


@register(Tags.models, "boundaries")
def relations_stay_inside(**kwargs: Any) -> list[CheckMessage]:
    """Check that every relation field leads to a model of the same owner."""
    found = rules.crossing_relations(_owner, everywhere=SHARED_APPS)
    return [_error(finding, "boundaries.E001") for finding in found]


@register(Tags.models, "boundaries")
def code_stays_inside(**kwargs: Any) -> list[CheckMessage]:
    """Check that no context's source names another context's models, modules, database or tables."""
    storage = storage_names()
    return [
        _error(finding, "boundaries.E002")
        for name in settings.CONTEXT_NAMES
        for finding in rules.crossing_code(
            Path(apps.get_app_config(name).path), context=name, contexts=CONTEXTS, storage=storage, alias=CONTEXTS[name].alias
        )
    ]


def storage_names() -> dict[str, str]:
    """Return the names of each context's tables, database variable and database file, each with its context."""
    names: dict[str, str] = {}
    for context in CONTEXTS.values():
        names |= {context.database_variable: context.name, context.database_file: context.name}
        if context.name in settings.CONTEXT_NAMES:
            for model in apps.get_app_config(context.name).get_models(include_auto_created=True):
                if not model._meta.proxy:
                    names[model._meta.db_table] = context.name
    return names


def _owner(app: str) -> str:
    """Name the owner of an app's models."""
    if app in DJANGO_APPS:
        return "Django"
    return "messaging" if app in SHARED_APPS else app


def _error(finding: rules.Finding, check_id: str) -> Error:
    return Error(finding.message, hint=finding.hint, obj=finding.where, id=check_id)

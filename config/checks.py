"""The boundaries as Django system checks, so that `manage.py check`, `migrate` and `runserver` refuse a crossing.

`boundaries.E001` is a relation between databases, `boundaries.E002` is code that reaches into another context. And of a deployment,
by `check --deploy`: `config.E001` is a static file that wasn't collected, `config.W001` is that nothing of ours serves them,
`config.W002` is an API that is asked past the proxy.
"""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from config.contexts import CONTEXTS
from config.router import DJANGO_APPS, SHARED_APPS
from messaging import settings as messaging_settings
from messaging.boundaries import rules
from messaging.consumer.cache import declared_caches
from messaging.events.text import plural


@register(Tags.models, "boundaries")
def relations_stay_inside(**kwargs: Any) -> list[CheckMessage]:
    """Every relation field stays in its own model's database."""
    return [_error(finding, "boundaries.E001") for finding in rules.crossing_relations(_placement, everywhere=SHARED_APPS)]


@register(Tags.models, "boundaries")
def code_stays_inside(**kwargs: Any) -> list[CheckMessage]:
    """No context's source names another context's models, modules, database or tables."""
    storage = storage_names()
    return [
        _error(finding, "boundaries.E002")
        for name in settings.CONTEXT_NAMES
        for finding in rules.crossing_code(Path(apps.get_app_config(name).path), context=name, contexts=CONTEXTS, storage=storage)
    ]


@register(Tags.staticfiles, deploy=True)
def static_files_are_collected(**kwargs: Any) -> list[CheckMessage]:
    """`collectstatic` was run for the code that is here. Only `DEBUG=0` needs it."""
    from config.static_files import COLLECT, Storage  # only here: every command imports this module

    missing = [] if settings.DEBUG else Storage().not_collected()
    if not missing:
        return []
    number = plural(len(missing), "static file was", "static files were")
    return [Error(f"{number} not collected, the first is {missing[0]}.", hint=COLLECT, id="config.E001")]


@register(Tags.staticfiles, deploy=True)
def static_files_are_served(**kwargs: Any) -> list[CheckMessage]:
    """WhiteNoise is installed. A warning only, because a web server of one's own may serve the folder."""
    if settings.WHITENOISE:
        return []
    hint = (
        f"Install config/deploy/requirements.txt. Where your own web server answers /{settings.STATIC_URL.strip('/')}/ from "
        f"{settings.STATIC_ROOT}, nothing is missing."
    )
    return [Warning("WhiteNoise is not installed, so this process serves no static files.", hint=hint, id="config.W001")]


@register("config", deploy=True)
def apis_are_asked_by_https(**kwargs: Any) -> list[CheckMessage]:
    """With `DEBUG=0` an API of this process answers plain HTTP with a redirect, and then no copy of its facts catches up."""
    pairs = [(consumer, authority) for consumer in settings.CONTEXT_NAMES for authority in declared_caches(consumer)]
    return [
        Warning(
            f"{consumer} asks {authority} at {messaging_settings.api_url(authority)}, and this process answers that "
            "with a redirect to HTTPS.",
            hint=f"Set {authority.upper()}_API_URL to the https:// address of the proxy.",
            id="config.W002",
        )
        for consumer, authority in pairs
        if not settings.DEBUG
        and authority in settings.CONTEXT_NAMES
        and messaging_settings.api_url(authority).startswith("http://")
    ]


def storage_names() -> dict[str, str]:
    """What each context's storage is called, name to context: its tables, its database variable and its database file."""
    names: dict[str, str] = {}
    for context in CONTEXTS.values():
        names |= {context.database_variable: context.name, context.database_file: context.name}
        if context.name in settings.CONTEXT_NAMES:
            for model in apps.get_app_config(context.name).get_models(include_auto_created=True):
                if not model._meta.proxy:
                    names[model._meta.db_table] = context.name
    return names


def _placement(app: str) -> str:
    """The database of an app's models, in words: the router's rule, without the instance that a shared model would need."""
    if app in DJANGO_APPS:
        return "Django's own database"
    return "the messaging tables" if app in SHARED_APPS else app


def _error(finding: rules.Finding, check_id: str) -> Error:
    return Error(finding.message, hint=finding.hint, obj=finding.where, id=check_id)

"""Django system checks that `check --deploy` runs.

`config.E001`: static files weren't collected. `config.W001`: this process doesn't serve static files. `config.W002`: a consumer
reaches an API without the proxy.
"""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from messaging import settings as messaging_settings
from messaging.consumer.cache import declared_caches
from messaging.events.text import plural


@register(Tags.staticfiles, deploy=True)
def static_files_are_collected(**kwargs: Any) -> list[CheckMessage]:
    """Check that `collectstatic` ran for the present files. Only `DEBUG=0` needs it."""
    from config.static_files import COLLECT, Storage  # not at the top: every command imports this module

    missing = [] if settings.DEBUG else Storage().not_collected()
    if not missing:
        return []
    number = plural(len(missing), "static file was", "static files were")
    return [Error(f"{number} not collected, for example {missing[0]}.", hint=COLLECT, id="config.E001")]


@register(Tags.staticfiles, deploy=True)
def static_files_are_served(**kwargs: Any) -> list[CheckMessage]:
    """Check that WhiteNoise is installed. It is only a warning, because another web server may serve the folder."""
    if settings.WHITENOISE:
        return []
    hint = (
        f"Run: pip install -r config/deploy/requirements.txt. Or let your web server serve /{settings.STATIC_URL.strip('/')}/ from "
        f"{settings.STATIC_ROOT}."
    )
    return [Warning("WhiteNoise is not installed, so this process serves no static files.", hint=hint, id="config.W001")]


@register("config", deploy=True)
def apis_are_asked_by_https(**kwargs: Any) -> list[CheckMessage]:
    """Check that consumers use HTTPS. With `DEBUG=0` this process redirects plain HTTP, and copies can't catch up."""
    pairs = [(consumer, authority) for consumer in settings.CONTEXT_NAMES for authority in declared_caches(consumer)]
    return [
        Warning(
            f"{consumer} reads from {authority} at {messaging_settings.api_url(authority)}, but this process redirects plain HTTP "
            "to HTTPS.",
            hint=f"Set {authority.upper()}_API_URL to the https:// address of the proxy.",
            id="config.W002",
        )
        for consumer, authority in pairs
        if not settings.DEBUG
        and authority in settings.CONTEXT_NAMES
        and messaging_settings.api_url(authority).startswith("http://")
    ]

"""What a deployment lacks, as Django system checks of `check --deploy`.

`config.E001` is a static file that wasn't collected, `config.W001` is that nothing of ours serves them, `config.W002` is an API
that is asked past the proxy.
"""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from messaging import settings as messaging_settings
from messaging.consumer.cache import declared_caches
from messaging.events.text import plural


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

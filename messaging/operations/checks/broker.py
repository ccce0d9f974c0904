"""The broker."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register

from messaging import settings
from messaging.transport import broker


@register("messaging")
def broker_is_set(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W004: no broker is set, or none that can be used.

    It is a warning, because a context that only pulls needs no broker. Relays, workers and other senders refuse to start.
    """
    refusal = broker.refusal()
    if not refusal or not settings.contexts():
        return []
    return [Warning(refusal, hint="Until then relays, workers and the scheduler refuse to start.", id="messaging.W004")]

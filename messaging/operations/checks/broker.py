"""The broker, and signatures of what goes through it."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register

from messaging import extras, settings
from messaging.transport import broker, signing


@register("messaging")
def broker_is_set(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W004: no broker is set, or none that can be used.

    It is a warning, because a context that only pulls needs no broker. Relays, workers and other senders refuse to start.
    """
    refusal = broker.refusal()
    if not refusal or not settings.contexts():
        return []
    return [Warning(refusal, hint="Until then relays, workers and the scheduler refuse to start.", id="messaging.W004")]


@register("messaging")
def messages_are_signed(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W017: messages aren't signed, and no setting says that they needn't be."""
    if settings.signing() is not None or not settings.contexts() or broker.refusal() or not (sentence := extras.missing("signing")):
        return []
    why = "Messages aren't signed, so every program that can write to the broker can change your copies."
    return [Warning(why, hint=f"{sentence}. {signing.WITHOUT}", id="messaging.W017")]

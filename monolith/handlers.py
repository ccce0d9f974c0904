"""The monolith receives no events: it has no queue and no worker."""

from messaging.consumer import Handler

HANDLERS: dict[str, Handler] = {}

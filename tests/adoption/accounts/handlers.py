"""Accounts reacts to nobody's events."""

from messaging.consumer import Handler

HANDLERS: dict[str, Handler] = {}

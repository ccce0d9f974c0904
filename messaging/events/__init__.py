"""The contract of an event, and text helpers. Imports no other package of `messaging`."""

from messaging.events.text import kind, plural, safe, title

__all__ = ["kind", "plural", "safe", "title"]

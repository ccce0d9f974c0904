"""The contract of an event, and words that every part shares. Imports nothing else of `messaging`."""

from messaging.events.text import kind, plural, safe, title

__all__ = ["kind", "plural", "safe", "title"]

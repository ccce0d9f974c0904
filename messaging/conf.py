"""What `messaging` asks of the project it lives in: the setting `MESSAGING`, and nothing else."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: An event longer than this (bytes of JSON) is refused by the relay and parked by the inbox.
LARGEST_EVENT = 64 * 1024


def _setting(name: str) -> Any:
    try:
        return settings.MESSAGING[name]
    except (AttributeError, KeyError):
        raise ImproperlyConfigured(f"MESSAGING[{name!r}] is not set. See `MESSAGING` in config/settings.py.") from None


def contexts() -> list[str]:
    """The contexts that this process is: database aliases and queues by the same names."""
    return list(_setting("CONTEXTS"))


def handlers_path(context: str) -> str:
    """Where the literal table of a context's handlers is."""
    return str(_setting("HANDLERS")[context])


def wake_folder() -> Path:
    """Where relays wait for a wake-up on SQLite."""
    return Path(_setting("WAKE_FOLDER"))


def retry_delays() -> list[float]:
    """Seconds to wait before each new try of a handler that failed."""
    return [float(delay) for delay in _setting("RETRY_DELAYS")]

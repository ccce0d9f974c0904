"""What `messaging` asks of the project it lives in: the setting `MESSAGING`, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NewType

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def _setting(name: str) -> Any:
    try:
        return settings.MESSAGING[name]
    except (AttributeError, KeyError):
        raise ImproperlyConfigured(
            f"MESSAGING[{name!r}] is not set. `messaging.settings` says what each entry of MESSAGING is for."
        ) from None


#: A database's name in `DATABASES`. A context has one, and isn't called by it.
Alias = NewType("Alias", str)


@dataclass(frozen=True)
class Context:
    """A context of this process. `alias`: the database that it lives in. Its queue has its name."""

    name: str
    alias: Alias

    @property
    def queue(self) -> str:
        return self.name

    @property
    def publishes(self) -> list[str]:
        """The feeds that show its facts. Its main feed is called as it is."""
        return [feed for feed in _setting("FEEDS") if authority(feed) == self.name]


def contexts() -> Mapping[str, Context]:
    """The contexts that this process is, by name. `CONTEXTS` lists their names, or says of each which database it lives in:
    {"billing": {"database": "default"}}. Where it says nothing, the alias is the name."""
    declared = _setting("CONTEXTS")
    databases = {name: declared[name].get("database", name) if isinstance(declared, Mapping) else name for name in declared}
    return {name: Context(name, Alias(alias)) for name, alias in databases.items()}


def context(name: str) -> Context:
    """A context of this process."""
    known = contexts()
    if name not in known:
        raise ImproperlyConfigured(f"{name!r} is no context of this process. MESSAGING['CONTEXTS'] names: {', '.join(known)}.")
    return known[name]


def handlers_path(consumer: str) -> str:
    """Where the literal table of a context's handlers is."""
    return str(_setting("HANDLERS")[consumer])


def feed_path(feed: str) -> str | None:
    """Where what an authority of this process shows of its facts is declared; None where it shows none."""
    declared = _setting("FEEDS").get(feed)
    return declared[1] if isinstance(declared, tuple) else declared  # type: ignore[no-any-return]


def feeds() -> list[str]:
    """The feeds of this process's authorities, by name."""
    return [feed for known in contexts().values() for feed in known.publishes]


def authority(feed: str) -> str:
    """The name of the context whose facts a feed shows: `monolith` for `monolith_invoices`, which `FEEDS` declares as
    ("monolith", path). Consumers know a feed by its name alone; register and token are the context's."""
    declared = _setting("FEEDS").get(feed)
    return str(declared[0]) if isinstance(declared, tuple) else feed


def splits() -> "Mapping[str, str]":
    """Contexts that are filled out of another one, to the feed that they are filled by (`messaging.split.move`)."""
    return dict(_setting("SPLITS")) if "SPLITS" in settings.MESSAGING else {}


def caches_path(consumer: str) -> str | None:
    """Where a consumer's copies are declared, by authority; None where it keeps none."""
    return _setting("CACHES").get(consumer)  # type: ignore[no-any-return]


def api_url(feed: str) -> str:
    """Where an authority's API is, without a slash at the end: http://127.0.0.1:8000."""
    return str(_setting("API_URL")(authority(feed))).rstrip("/")


def api_rate() -> float:
    """How many requests a second a consumer may make, on the average of a span; 0: any number."""
    return float(_setting("API_RATE"))


def api_token(consumer: str, feed: str) -> str:
    """The consumer's token for that API; empty where it has none."""
    return str(_setting("API_TOKEN")(consumer, authority(feed)))


def token_folder() -> Path:
    """Where tokens are kept for consumers that run on the authority's machine."""
    return Path(_setting("TOKEN_FOLDER"))


def signing_keys(publisher: str) -> list[str]:
    """The keys that a context signs with, the first one, and those that it signed with; none: its file in `KEY_FOLDER` counts."""
    return list(_setting("SIGNING_KEYS")(publisher))


def public_keys(publisher: str) -> list[str]:
    """The keys of which one must have signed what comes from this publisher; none: those of this machine count."""
    return list(_setting("PUBLIC_KEYS")(publisher))


def unsigned() -> list[str]:
    """Publishers that may send without a signature, while not every process of theirs signs."""
    return list(_setting("ACCEPT_UNSIGNED"))


def key_folder() -> Path:
    """Where signing keys are kept."""
    return Path(_setting("KEY_FOLDER"))


def wake_folder() -> Path:
    """Where relays wait for a wake-up on SQLite."""
    return Path(_setting("WAKE_FOLDER"))


def queue_type() -> str:
    """The type that queues have on RabbitMQ, classic or quorum. Classic, where the project doesn't say."""
    return str(settings.MESSAGING.get("QUEUE_TYPE", "classic"))


def retry_delays() -> list[float]:
    """Seconds to wait before each new try of a handler that failed."""
    return [float(delay) for delay in _setting("RETRY_DELAYS")]

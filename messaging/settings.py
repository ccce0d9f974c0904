"""The setting `MESSAGING`, the only one that `messaging` reads: one function for each entry."""

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
            f"MESSAGING[{name!r}] is not set. Add it to your settings; messaging/settings.py describes each entry."
        ) from None


#: A database's name in `DATABASES`. It may differ from the name of the context that uses the database.
Alias = NewType("Alias", str)


@dataclass(frozen=True)
class Context:
    """A context of this process."""

    name: str
    alias: Alias  #: the database that holds its tables

    @property
    def queue(self) -> str:
        """Its queue, which has its name."""
        return self.name

    @property
    def publishes(self) -> list[str]:
        """The feeds that show its facts. The main one has the context's name."""
        return [feed for feed in _setting("FEEDS") if authority(feed) == self.name]


def contexts() -> Mapping[str, Context]:
    """`CONTEXTS`: the contexts of this process, by name. Either a list of names, or a dict that names a database for each:
    {"billing": {"database": "default"}}. By default the alias is the context's name."""
    declared = _setting("CONTEXTS")
    databases = {name: declared[name].get("database", name) if isinstance(declared, Mapping) else name for name in declared}
    return {name: Context(name, Alias(alias)) for name, alias in databases.items()}


def context(name: str) -> Context:
    """A context of this process. Raises `ImproperlyConfigured` if it has no such context."""
    known = contexts()
    if name not in known:
        raise ImproperlyConfigured(f"This process has no context {name!r}. MESSAGING['CONTEXTS'] names: {', '.join(known)}.")
    return known[name]


def handlers_path(consumer: str) -> str:
    """`HANDLERS`: the dotted path of a context's table of handlers."""
    return str(_setting("HANDLERS")[consumer])


def feed_path(feed: str) -> str | None:
    """`FEEDS`: the dotted path of a feed's declaration; None if this process has no such feed."""
    declared = _setting("FEEDS").get(feed)
    return declared[1] if isinstance(declared, tuple) else declared  # type: ignore[no-any-return]


def feeds() -> list[str]:
    """The names of all feeds of this process's contexts."""
    return [feed for known in contexts().values() for feed in known.publishes]


def authority(feed: str) -> str:
    """The context whose facts a feed shows: `monolith` for `monolith_invoices`, which `FEEDS` declares as ("monolith", path).
    Consumers name only the feed. The register and the tokens belong to the context."""
    declared = _setting("FEEDS").get(feed)
    return str(declared[0]) if isinstance(declared, tuple) else feed


def splits() -> "Mapping[str, str]":
    """`SPLITS`: maps each context that takes over another one's rows to the feed that fills it (`messaging.split.move`)."""
    return dict(_setting("SPLITS")) if "SPLITS" in settings.MESSAGING else {}


def caches_path(consumer: str) -> str | None:
    """`CACHES`: the dotted path of a consumer's declared copies; None if it keeps none."""
    return _setting("CACHES").get(consumer)  # type: ignore[no-any-return]


def api_url(feed: str) -> str:
    """`API_URL`, a function of a context: the URL of an authority's API, without a slash at the end, as http://127.0.0.1:8000."""
    return str(_setting("API_URL")(authority(feed))).rstrip("/")


def api_rate() -> float:
    """`API_RATE`: requests per second that a consumer may make, averaged over a time span; 0: no limit."""
    return float(_setting("API_RATE"))


def api_token(consumer: str, feed: str) -> str:
    """`API_TOKEN`, a function of consumer and authority: the consumer's token for that API; empty if it has none."""
    return str(_setting("API_TOKEN")(consumer, authority(feed)))


def token_folder() -> Path:
    """`TOKEN_FOLDER`: the folder of the tokens of consumers that run on the authority's machine."""
    return Path(_setting("TOKEN_FOLDER"))


def signing_keys(publisher: str) -> list[str]:
    """`SIGNING_KEYS`, a function of a context: its private keys. The first one signs. Empty: its file in `KEY_FOLDER` has them."""
    return list(_setting("SIGNING_KEYS")(publisher))


def public_keys(publisher: str) -> list[str]:
    """`PUBLIC_KEYS`, a function of a publisher: the keys that its signatures are checked with. Empty: the keys of this machine."""
    return list(_setting("PUBLIC_KEYS")(publisher))


def unsigned() -> list[str]:
    """`ACCEPT_UNSIGNED`: publishers that may send without a signature, until all their processes sign."""
    return list(_setting("ACCEPT_UNSIGNED"))


def key_folder() -> Path:
    """`KEY_FOLDER`: the folder of the signing keys."""
    return Path(_setting("KEY_FOLDER"))


def wake_folder() -> Path:
    """`WAKE_FOLDER`: the folder of the lock files, and of the pipes that wake the relays on SQLite."""
    return Path(_setting("WAKE_FOLDER"))


def broker_url() -> str:
    """`BROKER_URL`: the broker that carries the messages, as redis://host/3 or amqp://login:password@host/vhost; empty if it isn't
    set."""
    return str(getattr(settings, "MESSAGING", {}).get("BROKER_URL") or "")


def broker_options() -> dict[str, Any]:
    """`BROKER_OPTIONS`: options for kombu's transport besides those of `messaging.transport.broker`, as `master_name` for Redis
    Sentinel. By default none."""
    return dict(getattr(settings, "MESSAGING", {}).get("BROKER_OPTIONS") or {})


def queue_type() -> str:
    """`QUEUE_TYPE`: the type of queues on RabbitMQ, "classic" (the default) or "quorum"."""
    return str(settings.MESSAGING.get("QUEUE_TYPE", "classic"))


def retry_delays() -> list[float]:
    """`RETRY_DELAYS`: seconds before each retry of a handler that failed."""
    return [float(delay) for delay in _setting("RETRY_DELAYS")]

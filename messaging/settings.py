"""The setting `MESSAGING`, the only one that `messaging` reads: one function for each entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def _setting(name: str) -> Any:
    try:
        return settings.MESSAGING[name]
    except (AttributeError, KeyError):
        raise ImproperlyConfigured(
            f"MESSAGING[{name!r}] is not set. Add it to your settings; messaging/settings.py describes each entry."
        ) from None


class Alias(str):
    """A database's name in `DATABASES`, which also knows the context that it was got from: several may share one database."""

    context: str  #: the context's name; empty: the database's only one

    def __new__(cls, alias: str, context: str = "") -> "Alias":
        made = super().__new__(cls, alias)
        made.context = context
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # a copy is made of both
        return str(self), self.context


def owner(using: str) -> str:
    """The name of the context whose rows an alias means: an `Alias` says it, and a plain text means the database's only context.

    Raises `ImproperlyConfigured` for the plain name of a database that several contexts share, or none.
    """
    if isinstance(using, Alias) and using.context:
        return using.context
    here = names_in(using)
    if len(here) == 1:
        return here[0]
    hold = f"holds the contexts {', '.join(here)}" if here else "holds no context of this process"
    raise ImproperlyConfigured(f"The database {using!r} {hold}. Pass messaging.settings.context(name).alias, which names one.")


def names_in(using: str) -> list[str]:
    """The names of this process's contexts whose tables are in a database."""
    return [name for name, context in contexts().items() if context.alias == using]


@dataclass(frozen=True)
class Context:
    """A context of this process."""

    name: str
    alias: Alias  #: the database that holds its tables, maybe with those of others

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
    {"billing": {"database": "default"}}. By default the alias is the context's name. Several contexts may name one database."""
    declared = _setting("CONTEXTS")
    databases = {name: declared[name].get("database", name) if isinstance(declared, Mapping) else name for name in declared}
    return {name: Context(name, Alias(alias, name)) for name, alias in databases.items()}


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


def queue_type() -> str:
    """`QUEUE_TYPE`: the type of queues on RabbitMQ, "classic" (the default) or "quorum"."""
    return str(settings.MESSAGING.get("QUEUE_TYPE", "classic"))


def retry_delays() -> list[float]:
    """`RETRY_DELAYS`: seconds before each retry of a handler that failed."""
    return [float(delay) for delay in _setting("RETRY_DELAYS")]

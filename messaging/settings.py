"""The setting `MESSAGING`, the only one that `messaging` reads: one function for each entry.

Only `CONTEXTS` has no default. URLs, tokens and keys are different on each machine, so by default the environment has them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: The default of `API_RATE`.
API_REQUESTS_PER_SECOND = 500
#: The default of `RETRY_DELAYS`.
RETRY_DELAYS_SECONDS = (1, 4, 16)
#: The entries of `MESSAGING`.
ENTRIES = (
    *("CONTEXTS", "HANDLERS", "FEEDS", "CACHES", "SPLITS", "FOLDER", "TOKEN_FOLDER", "KEY_FOLDER", "WAKE_FOLDER"),
    *("API_URL", "API_TOKEN", "API_RATE", "SIGNING", "SIGNING_KEYS", "PUBLIC_KEYS", "ACCEPT_UNSIGNED"),
    *("BROKER_URL", "BROKER_OPTIONS", "QUEUE_TYPE", "RETRY_DELAYS"),
)


def _setting(name: str, default: Any) -> Any:
    return getattr(settings, "MESSAGING", {}).get(name, default)


@cache
def _found(module: str) -> bool:
    """Return True if there is such a module."""
    package = module.rpartition(".")[0]
    return find_spec(package) is not None and find_spec(module) is not None


def _conventional(context: str, module: str, name: str) -> str:
    """Return the dotted path of a declaration that stands where convention puts it, as `users.feed.FEED`; empty if it doesn't."""
    return f"{context}.{module}.{name}" if _found(f"{context}.{module}") else ""


def _environment(name: str, variable: str) -> str:
    """Return a variable of the environment that belongs to a context, as `USERS_API_URL`."""
    return os.environ.get(f"{name.upper()}_{variable}", "").strip()


def _words(text: str) -> list[str]:
    """Split a list in a variable of the environment at its commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _folder(name: str, purpose: str) -> Path:
    """Return an entry's folder; by default a folder in `FOLDER`."""
    return Path(_setting(name, folder() / purpose))


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
        return [feed for feed in _feeds() if authority(feed) == self.name]


def contexts() -> Mapping[str, Context]:
    """`CONTEXTS`: the contexts of this process, by name. Either a list of names, or a dict that names a database for each:
    {"billing": {"database": "default"}}. By default the alias is the context's name. Several contexts may name one database."""
    declared = _setting("CONTEXTS", None)
    if declared is None:
        raise ImproperlyConfigured(
            'MESSAGING["CONTEXTS"] is not set. Name your contexts and their databases: '
            'MESSAGING = {"CONTEXTS": {"billing": {"database": "default"}}}. Before the first one: {"CONTEXTS": {}}, and then '
            "`manage.py startcontext` writes it."
        )
    if isinstance(declared, str):
        raise ImproperlyConfigured(f'MESSAGING["CONTEXTS"] is the text {declared!r}. Write a list: [{declared!r}].')
    databases = {name: _database(name, declared[name]) if isinstance(declared, Mapping) else name for name in declared}
    return {name: Context(name, Alias(alias, name)) for name, alias in databases.items()}


def _database(name: str, entry: Any) -> str:
    if not isinstance(entry, Mapping):
        raise ImproperlyConfigured(
            f'MESSAGING["CONTEXTS"]["{name}"] is {entry!r}. Write a dict that names its database: {{"database": "default"}}.'
        )
    return str(entry.get("database", name))


def context(name: str) -> Context:
    """A context of this process. Raises `ImproperlyConfigured` if it has no such context."""
    known = contexts()
    if name not in known:
        raise ImproperlyConfigured(f"This process has no context {name!r}. MESSAGING['CONTEXTS'] names: {', '.join(known)}.")
    return known[name]


def handlers_path(consumer: str) -> str:
    """`HANDLERS`: the dotted path of a context's handlers, by default `<context>.handlers.HANDLERS`; empty if it has none."""
    return str(_setting("HANDLERS", {}).get(consumer, _conventional(consumer, "handlers", "HANDLERS")))


def _feeds() -> Mapping[str, Any]:
    """`FEEDS`: the dotted path of each feed, or (context, path) of a context's further feeds. By default each context of this
    process has one, `<context>.feed.FEED`. None: no feed, although there is such a module."""
    found = {name: _conventional(name, "feed", "FEED") for name in contexts()}
    return {name: path for name, path in {**found, **_setting("FEEDS", {})}.items() if path}


def feed_path(feed: str) -> str | None:
    """The dotted path of a feed's declaration; None if this process has no such feed."""
    declared = _feeds().get(feed)
    return declared[1] if isinstance(declared, tuple) else declared


def feeds() -> list[str]:
    """The names of all feeds of this process's contexts."""
    return [feed for known in contexts().values() for feed in known.publishes]


def authority(feed: str) -> str:
    """The context whose facts a feed shows: `monolith` for `monolith_invoices`, which `FEEDS` declares as ("monolith", path).
    Consumers name only the feed. The register and the tokens belong to the context."""
    declared = _setting("FEEDS", {}).get(feed)
    return str(declared[0]) if isinstance(declared, tuple) else feed


def splits() -> Mapping[str, str]:
    """`SPLITS`: maps each context that takes over another one's rows to the feed that fills it (`messaging.split.move`)."""
    return dict(_setting("SPLITS", {}))


def caches_path(consumer: str) -> str:
    """`CACHES`: the dotted path of a consumer's declared copies, by default `<context>.caches.CACHES`; empty if it keeps none."""
    return str(_setting("CACHES", {}).get(consumer, _conventional(consumer, "caches", "CACHES")))


def api_url(feed: str) -> str:
    """`API_URL`, a function of a context: the URL of an authority's API, without a slash at the end, as http://127.0.0.1:8000.

    By default it is in the environment, as `USERS_API_URL`; empty if that isn't set.
    """
    given = _setting("API_URL", lambda context: _environment(context, "API_URL"))
    return str(given(authority(feed))).rstrip("/")


def api_rate() -> float:
    """`API_RATE`: requests per second that a consumer may make, averaged over a time span; 0: no limit."""
    return float(_setting("API_RATE", API_REQUESTS_PER_SECOND))


def api_token(consumer: str, feed: str) -> str:
    """`API_TOKEN`, a function of consumer and authority: the consumer's token for that API; empty if it has none.

    By default it is in the environment, as `USERS_API_TOKEN`, or where `consumers register` stored it on this machine.
    """
    given = _setting("API_TOKEN", _token)
    return str(given(consumer, authority(feed)))


def _token(consumer: str, authority: str) -> str:
    kept = token_file(consumer, authority)
    return _environment(authority, "API_TOKEN") or (kept.read_text().strip() if kept.exists() else "")


def token_file(consumer: str, authority: str) -> Path:
    """The file in `TOKEN_FOLDER` with the token of a consumer that runs on the authority's machine."""
    return _folder("TOKEN_FOLDER", "tokens") / f"{consumer}-at-{authority}"


def folder() -> Path:
    """`FOLDER`: where this machine's tokens, signing keys and wake-ups are kept, by default `var/messaging` in `BASE_DIR`. Don't
    commit it."""
    return Path(_setting("FOLDER", Path(getattr(settings, "BASE_DIR", ".")) / "var" / "messaging"))


def signing_keys(publisher: str) -> list[str]:
    """`SIGNING_KEYS`, a function of a context: its private keys. The first one signs. Empty: its file in `KEY_FOLDER` has them.

    By default they are in the environment, as `USERS_SIGNING_KEYS`, separated by commas.
    """
    return list(_setting("SIGNING_KEYS", lambda name: _words(_environment(name, "SIGNING_KEYS")))(publisher))


def public_keys(publisher: str) -> list[str]:
    """`PUBLIC_KEYS`, a function of a publisher: the keys that its signatures are checked with. Empty: the keys of this machine.

    By default they are in the environment, as `USERS_PUBLIC_KEYS`, separated by commas.
    """
    return list(_setting("PUBLIC_KEYS", lambda name: _words(_environment(name, "PUBLIC_KEYS")))(publisher))


def signing() -> bool | None:
    """`SIGNING`: False if messages need no signature, because only trusted programs can write to the broker; True if they do, so
    that nothing is sent or taken without the extra `signing`. None (the default): they are signed if that extra is installed."""
    chosen = _setting("SIGNING", None)
    if chosen is None or isinstance(chosen, bool):
        return chosen
    raise ImproperlyConfigured(f'MESSAGING["SIGNING"] is {chosen!r}. Set it to True or False, or remove it.')


def unsigned() -> list[str]:
    """`ACCEPT_UNSIGNED`: publishers that may send without a signature, until all their processes sign; by default nobody."""
    return list(_setting("ACCEPT_UNSIGNED", []))


def key_folder() -> Path:
    """`KEY_FOLDER`: the folder of the signing keys, by default `keys` in `FOLDER`."""
    return _folder("KEY_FOLDER", "keys")


def wake_folder() -> Path:
    """`WAKE_FOLDER`: the folder of lock files, and of the pipes that wake relays on SQLite; by default `wake` in `FOLDER`."""
    return _folder("WAKE_FOLDER", "wake")


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
    return str(_setting("QUEUE_TYPE", "classic"))


def retry_delays() -> list[float]:
    """`RETRY_DELAYS`: seconds before each retry of a handler that failed."""
    return [float(delay) for delay in _setting("RETRY_DELAYS", RETRY_DELAYS_SECONDS)]

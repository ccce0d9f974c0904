# celery and kombu have no types.
# mypy: disable-error-code="misc,no-untyped-call"
"""The connection to the broker of `MESSAGING["BROKER_URL"]`, with our transports and with options that lose no message.

kombu chooses a transport by the URL's scheme, in a table for the whole process. A host's own connections use that table, so it
stays as it is: only `Connection` takes our classes in place of kombu's. kombu's argument `transport` isn't enough: kombu ignores it
for `redis+socket://` and after a failover, and leaves out the default TLS of `rediss://`.
"""

from typing import Any

import kombu
from celery.app import amqp
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.imports import symbol_by_name

from messaging import extras, settings
from messaging.errors import NoBroker

#: kombu's transports, and ours in their place. They are given as names, because a transport is imported when it is needed: Redis's
#: import takes a sixth of a command's start.
TRANSPORTS = {
    "kombu.transport.redis:Transport": "messaging.transport.redis:Transport",
    "kombu.transport.redis:SentinelTransport": "messaging.transport.redis:SentinelTransport",
    "kombu.transport.pyamqp:Transport": "messaging.transport.amqp:Transport",
    "kombu.transport.pyamqp:SSLTransport": "messaging.transport.amqp:SSLTransport",
    # kombu prefers librabbitmq for amqp:// where a host has it installed.
    "kombu.transport.librabbitmq:Transport": "messaging.transport.amqp:Transport",
}
#: The Redis keys of unacknowledged messages and of their index.
UNACKED, UNACKED_INDEX = "contexts.unacked", "contexts.unacked_index"

_REDIS = {
    # A killed worker's message comes back after this many seconds; kombu's default is an hour.
    "visibility_timeout": 5,
    # Own names for unacknowledged messages, because kombu's are the same for every application on a database, and of several
    # timeouts on the same names the shortest wins.
    "unacked_key": UNACKED,
    "unacked_index_key": UNACKED_INDEX,
    "unacked_mutex_key": f"{UNACKED}.mutex",
    # Look for such messages every second. By default kombu sweeps every 10 s and skips 9 of 10 sweeps (measured: a killed worker's
    # message came back after 101 s, with these two options after 5 s).
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    # A broker that hangs must not block its clients: they wait and try again.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
# `send` returns when RabbitMQ has the message in its queue, not when the bytes were sent.
_AMQP = {"confirm_publish": True, "read_timeout": 30, "write_timeout": 10}
#: The options of each scheme. kombu's other transports are untested and get none.
OPTIONS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("redis", "rediss", "sentinel"), _REDIS),
    **dict.fromkeys(("amqp", "amqps", "pyamqp"), _AMQP),
}


class Connection(kombu.Connection):
    """A connection with our transports."""

    def get_transport_cls(self) -> Any:
        named = TRANSPORT_ALIASES.get(self.transport_cls)
        return symbol_by_name(TRANSPORTS[named]) if named in TRANSPORTS else super().get_transport_cls()


class AMQP(amqp.AMQP):
    """Celery's messages, sent and received by our connections."""

    Connection = BrokerConnection = Connection


def refusal() -> str:
    """A sentence if `MESSAGING` names no broker, or none that can be used; else empty. It doesn't repeat the URL, which may have a
    password."""
    text = settings.broker_url()
    if not text:
        return f'MESSAGING["BROKER_URL"] isn\'t set, so there is no broker. {EXAMPLE}'
    if "://" not in text:  # kombu would read it as a host's name
        return f'MESSAGING["BROKER_URL"] isn\'t a URL. {EXAMPLE}'
    if _scheme(text) not in TRANSPORT_ALIASES:
        return f'MESSAGING["BROKER_URL"] begins with {_scheme(text)}://, which kombu doesn\'t know. {EXAMPLE}'
    if TRANSPORT_ALIASES[_scheme(text)].startswith("kombu.transport.redis:") and (sentence := extras.missing("redis")):
        return sentence
    if settings.broker_options().get("global_keyprefix"):
        return (
            "The broker's option global_keyprefix isn't supported: with it, kombu loses messages that a killed worker fetched, and "
            "opens compressed ones. Remove it, and give each project its own Redis database, as redis://host/3."
        )
    return ""


EXAMPLE = 'Set it, for example to "redis://localhost:6379/3" or "amqp://login:password@localhost/vhost".'


def url() -> str:
    """The broker's URL. Raises `NoBroker` if it can't be used: Celery would use RabbitMQ on localhost."""
    if reason := refusal():
        raise NoBroker(reason)
    return settings.broker_url()


def options() -> dict[str, Any]:
    """The options of the broker's transport, with which a killed worker loses no message and its message comes back soon."""
    return {**OPTIONS.get(_scheme(settings.broker_url()), {}), **settings.broker_options()}


def _scheme(text: str) -> str:
    """The scheme: `redis` for redis+socket://…, and that of the first one for Sentinel's list."""
    return text.partition("://")[0].partition("+")[0]

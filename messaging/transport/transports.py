"""Registers our transports for the URLs of Redis, Redis Sentinel and RabbitMQ. They are given as names, because kombu imports a
transport when it needs one: Redis's import takes a sixth of a command's start."""

from kombu.transport import TRANSPORT_ALIASES

#: kombu's transports, and ours in their place.
OURS = {
    "kombu.transport.redis:Transport": "messaging.transport.redis:Transport",
    "kombu.transport.redis:SentinelTransport": "messaging.transport.redis:SentinelTransport",
    "kombu.transport.pyamqp:Transport": "messaging.transport.amqp:Transport",
    "kombu.transport.pyamqp:SSLTransport": "messaging.transport.amqp:SSLTransport",
}


def install() -> None:
    """Make kombu use our transports for all their URLs."""
    TRANSPORT_ALIASES.update({alias: OURS[path] for alias, path in TRANSPORT_ALIASES.items() if path in OURS})

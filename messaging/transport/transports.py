"""Which transport a broker's URL gets. Names alone: kombu imports a transport when a connection needs one, and Redis's takes a
sixth of the time in which a command starts."""

from kombu.transport import TRANSPORT_ALIASES

#: kombu's transports, and what we put in their place.
OURS = {
    "kombu.transport.redis:Transport": "messaging.transport.redis:Transport",
    "kombu.transport.redis:SentinelTransport": "messaging.transport.redis:SentinelTransport",
    "kombu.transport.pyamqp:Transport": "messaging.transport.amqp:Transport",
    "kombu.transport.pyamqp:SSLTransport": "messaging.transport.amqp:SSLTransport",
}


def install() -> None:
    """Make every URL of Redis, Redis Sentinel and RabbitMQ use ours."""
    TRANSPORT_ALIASES.update({alias: OURS[path] for alias, path in TRANSPORT_ALIASES.items() if path in OURS})

"""Which transport a broker's URL gets. Names alone: kombu imports a transport when a connection needs one, and Redis's takes a
sixth of the time in which a command starts."""

from kombu.transport import TRANSPORT_ALIASES

KOMBUS, OURS = "kombu.transport.redis:Transport", "messaging.redis_transport:Transport"


def install() -> None:
    """Make every Redis URL use ours."""
    TRANSPORT_ALIASES.update({alias: OURS for alias, path in TRANSPORT_ALIASES.items() if path == KOMBUS})

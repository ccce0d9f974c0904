"""What is said of a database's outage: one line when it begins, one when it is over, however often something is tried meanwhile."""

import logging

from messaging import databases

_away: set[tuple[str, str]] = set()


def began(log: logging.Logger, using: str, what: str, why: object) -> None:
    """Say what doesn't work now, once in this process."""
    if (log.name, using) not in _away:
        _away.add((log.name, using))
        log.warning("%s: %s, trying again until it works: %s", using, what, why)


def ended(log: logging.Logger, using: str) -> None:
    """Say that it works again, where it was said that it doesn't, and where the database really takes something."""
    if (log.name, using) in _away and databases.takes_writes(using):
        _away.discard((log.name, using))
        log.info("%s: its database takes writes again", using)

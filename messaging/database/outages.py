"""What is said of a database's outage: for each kind of work one line when it stops, and one when it works again, however often it
is tried meanwhile.

Work is said to work again when it did, and not when other work, or a probe, went well: a full disk still takes small writes.
"""

import logging

_stopped: set[tuple[str, str]] = set()


def began(log: logging.Logger, context: str, work: str, why: object) -> None:
    """Say that this work doesn't get done now, once in this process."""
    if (context, work) not in _stopped:
        _stopped.add((context, work))
        log.warning("%s: %s doesn't work, trying again until it does: %s", context, work, why)


def ended(log: logging.Logger, context: str, work: str) -> None:
    """Say that this work was done, where it was said that it isn't."""
    if (context, work) in _stopped:
        _stopped.discard((context, work))
        log.info("%s: %s works again", context, work)

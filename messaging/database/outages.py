"""Log a database's outage: one line when a kind of work stops, and one when it works again, however many retries there are.

Only the work itself shows that it works again. Other work or a probe doesn't: a full disk still takes small writes.
"""

import logging

_stopped: set[tuple[str, str]] = set()


def began(log: logging.Logger, context: str, work: str, why: object) -> None:
    """Log that this work doesn't get done, once per outage and process."""
    if (context, work) not in _stopped:
        _stopped.add((context, work))
        log.warning("%s: %s doesn't work, retrying until it does: %s", context, work, why)


def ended(log: logging.Logger, context: str, work: str) -> None:
    """Log that this work is done again, if `began` logged its outage."""
    if (context, work) in _stopped:
        _stopped.discard((context, work))
        log.info("%s: %s works again", context, work)

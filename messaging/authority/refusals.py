"""The refusals of an authority, which HTTP and a consumer in the same process get alike."""

import logging
from typing import Any

from messaging.database import errors
from messaging.errors import BeingEntered, MessagingError
from messaging.events.text import said

log = logging.getLogger(__name__)
#: Seconds until the next try is worth it: while rows are entered, and after a database error.
ENTERING_SECONDS, DATABASE_SECONDS = 30, 1


class Refusal(MessagingError):
    """An authority's refusal of a request.

    Attributes
    ----------
    status
        HTTP's status code.
    wait
        Seconds until the next try is worth it; 0: not known.
    body
        The answer: `reason` for a program, `detail` for a person, and further keys.
    """

    def __init__(self, status: int, reason: str, detail: str, *, wait: int = 0, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.wait = status, wait
        self.body: dict[str, Any] = {"reason": reason, "detail": detail, **more}


def refusal_of(error: Exception) -> Refusal | None:
    """Return the refusal that an error of the authority means; None for a bug.

    503: the database can't be used now, the request kept colliding with others, or the feed lacks rows that are still being
    entered. It may succeed later. Consumers of every release wait then, and take nothing for complete.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BeingEntered):
        return Refusal(503, "being_entered", str(error), wait=ENTERING_SECONDS)
    if errors.takes_nothing(error) or errors.collided(error):
        log.warning("a request can't be answered now: %s", said(error))
        errors.let_go()
        what = "is read-only now, like a standby" if errors.is_read_only(error) else "can't be used now"
        return Refusal(503, "database_unavailable", f"The database {what}. Try again in a moment.", wait=DATABASE_SECONDS)
    return None

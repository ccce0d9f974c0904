"""Shadow reads of billing's copy, and the gate before it decides."""

import logging
import uuid
from collections.abc import Callable

from django.db import DatabaseError, transaction

from messaging.replica import Replica, compare
from walkthrough.exercises.shop.billing.models import CachedUser, ShadowRead

log = logging.getLogger(__name__)


class Shadow:
    """Answers from the old source, and compares the copy with it."""

    def __init__(self, old: Callable[[uuid.UUID], str | None]) -> None:
        self.old = old

    def status(self, user_id: uuid.UUID) -> str | None:
        """Return the user's status at the old source; None if it doesn't know them."""
        answer = self.old(user_id)
        try:
            with transaction.atomic(using="billing"):
                _compare(user_id, answer or "")
        except DatabaseError as error:
            log.warning("A shadow read failed: %s", error)
        return answer


def _compare(user_id: uuid.UUID, old: str) -> None:
    own = CachedUser.objects.filter(pk=user_id).values_list("status", flat=True).first() or ""
    ShadowRead.objects.create(user_id=user_id, old_status=old, copy_status=own, agreed=old == own)


def gate(*, reads: int) -> list[str]:
    """Return what still lacks before the copy may decide, a sentence each. `reads`: the shadow reads that must have agreed."""
    lacks, replica = [], Replica.of("billing", "users")
    state = replica.subscription().state
    if state != "live":
        lacks.append(f"The copy is {state}, not live.")
    verdict = compare.compare(replica).verdict
    if verdict != "in_sync":
        lacks.append(f"The comparison says {verdict}.")
    agreed = ShadowRead.objects.filter(agreed=True).count()
    if agreed < reads:
        lacks.append(f"{agreed} of {reads} shadow reads agreed.")
    differed = ShadowRead.objects.filter(agreed=False).count()
    if differed:
        lacks.append(f"{differed} shadow reads differed.")
    return lacks

"""Three ways to suspend a user and to tell billing: two writes in this order, two writes in that order, and the outbox.

`reach` hears where a way has come to; `manage.py dual_write` dies there, so that a crash falls between two lines, not beside them.
"""

import uuid
from collections.abc import Callable
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone

from messaging.events.contract import envelope
from messaging.events.ids import uuid7
from messaging.ledger import ledger
from messaging.publisher import consumers, payloads
from messaging.transport.sender import Sender
from users.feed import FEED
from users.models import User
from users.services import user_suspend

Reach = Callable[[str], None]
REASON = "chapter 3"


def commit_then_send(user_id: uuid.UUID, reach: Reach) -> None:
    """The change first. Who dies between the two has changed a user and told nobody."""
    with transaction.atomic(using="users"):
        event = _suspend(user_id)
    reach("committed")
    _send(event)
    reach("sent")


def send_then_commit(user_id: uuid.UUID, reach: Reach) -> None:
    """The message first. Who dies between the two has told of a change that never was."""
    with transaction.atomic(using="users"):
        event = _suspend(user_id)
        _send(event)
        reach("sent")
    reach("committed")


def outbox(user_id: uuid.UUID, reach: Reach) -> None:
    """One write: the event is a row beside the change. Sending is somebody else's work, and can be done again."""
    with transaction.atomic(using="users"):
        transaction.on_commit(lambda: reach("committed"), using="users")  # before anything else that waits for the commit
        user_suspend(user_id=user_id, reason=REASON)
        reach("recorded")


#: Way to (what it does, where it can die).
WAYS: dict[str, tuple[Callable[[uuid.UUID, Reach], None], tuple[str, ...]]] = {
    "commit-then-send": (commit_then_send, ("committed", "sent")),
    "send-then-commit": (send_then_commit, ("sent", "committed")),
    "outbox": (outbox, ("recorded", "committed")),
}


def _suspend(user_id: uuid.UUID) -> dict[str, Any]:
    """Change the row as any code does that knows no outbox; returns the event that tells of it."""
    user = User.objects.using("users").select_for_update().get(pk=user_id)
    user.status, user.status_since, user.suspension_reason = User.Status.SUSPENDED, timezone.now(), REASON
    user.save(using="users")
    version, _ = ledger.positions("users", [(FEED.label, str(user_id))])[FEED.label, str(user_id)]
    event = FEED.event(user, deleted=False, changed_at=user.status_since, first=False)
    return envelope(
        event,
        id=str(uuid7()),
        subject=str(user_id),
        version=version,
        time=user.status_since,
        correlation=str(uuid7()),
        causation=None,
    )


def _send(event: dict[str, Any]) -> None:
    """To every consumer's queue, with its own fields. Returns when the broker has it."""
    sender = Sender(current_app, "users")
    try:
        for consumer in consumers.registered("users"):
            for message in payloads.messages([payloads.Sendable(event, 0)], consumer):
                sender.send(consumer.queue, consumer.name, message)
    finally:
        sender.close()

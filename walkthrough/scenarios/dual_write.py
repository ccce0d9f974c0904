"""Three ways to suspend a user and notify billing: two writes in either order, and the outbox.

`reach` is called after each step. `manage.py dual_write` kills itself in it, so the crash falls exactly between two lines.
"""

import uuid
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from messaging.celery import app
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
    """The change first. A crash between the two leaves a changed user and no message."""
    with transaction.atomic(using="users"):
        event = _suspend(user_id)
    reach("committed")
    _send(event)
    reach("sent")


def send_then_commit(user_id: uuid.UUID, reach: Reach) -> None:
    """The message first. A crash between the two leaves a message about a change that never happened."""
    with transaction.atomic(using="users"):
        event = _suspend(user_id)
        _send(event)
        reach("sent")
    reach("committed")


def outbox(user_id: uuid.UUID, reach: Reach) -> None:
    """One transaction: the event is a row next to the change. The relay sends it, and can send it again."""
    with transaction.atomic(using="users"):
        transaction.on_commit(lambda: reach("committed"), using="users")  # registered first, so called first
        user_suspend(user_id=user_id, reason=REASON)
        reach("recorded")


#: Way to (what it does, the steps after which it can die).
WAYS: dict[str, tuple[Callable[[uuid.UUID, Reach], None], tuple[str, ...]]] = {
    "commit-then-send": (commit_then_send, ("committed", "sent")),
    "send-then-commit": (send_then_commit, ("sent", "committed")),
    "outbox": (outbox, ("recorded", "committed")),
}


def _suspend(user_id: uuid.UUID) -> dict[str, Any]:
    """Change the row as code without an outbox does; returns the event."""
    user = User.objects.using("users").select_for_update().get(pk=user_id)
    user.status, user.status_since, user.suspension_reason = User.Status.SUSPENDED, timezone.now(), REASON
    user.save(using="users")
    version, _ = ledger.positions("users", [(FEED.aggregate, str(user_id))])[FEED.aggregate, str(user_id)]
    event = FEED.event({name: getattr(user, name) for name in FEED.names}, first=False)
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
    """Send it to every consumer's queue, with its own fields. Returns when the broker has it."""
    sender = Sender(app, "users")
    try:
        for consumer in consumers.registered("users"):
            for message in payloads.messages([payloads.Sendable(event, 0)], consumer):
                sender.send(consumer.queue, consumer.name, message)
    finally:
        sender.close()

"""The event that all alternatives send, and their consumers' handler: one upsert that only moves forward."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from benchmarks.alternatives.facts.models import User

UPSERT = """
INSERT INTO facts_cacheduser AS c (user_id, status, status_since, version, source, authority_time, received_at)
VALUES (%s, %s, %s, %s, 'event', %s, %s)
ON CONFLICT (user_id) DO UPDATE SET status = excluded.status, status_since = excluded.status_since, version = excluded.version,
    source = excluded.source, authority_time = excluded.authority_time, received_at = excluded.received_at
WHERE excluded.version > c.version
"""


def envelope(user: User, kind: str) -> dict[str, Any]:
    """Make the same CloudEvents envelope as the project, with the fields that the consumer keeps."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "users",
        "type": f"users.user.{kind}.v1",
        "subject": str(user.pk),
        "time": timezone.now().isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"/api/users/contracts/#users.user.{kind}.v1",
        "data": {"status": user.status, "status_since": user.status_since.isoformat()},
        "aggregateversion": user.version,
        "correlationid": str(uuid.uuid4()),
    }


def apply(event: dict[str, Any]) -> None:
    data = event["data"]
    row = [event["subject"], data["status"], data["status_since"], event["aggregateversion"], event["time"], timezone.now()]
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, row)


def change(users: Sequence[User], back: Sequence[bool]) -> list[dict[str, Any]]:
    """Suspend or reactivate users in the caller's transaction, and return the events."""
    now = timezone.now()
    for user, reactivated in zip(users, back, strict=True):
        user.status, user.status_since, user.updated_at = ("active" if reactivated else "suspended"), now, now
        user.suspension_reason = "" if reactivated else "benchmark"
        user.version += 1
    if len(users) == 1:
        User.objects.select_for_update().get(pk=users[0].pk)  # like a service
        users[0].save()
    else:
        names = ["status", "status_since", "suspension_reason", "updated_at", "version"]
        User.objects.bulk_update(users, names)
    kinds = ["reactivated" if reactivated else "suspended" for reactivated in back]
    return [envelope(user, kind) for user, kind in zip(users, kinds, strict=True)]

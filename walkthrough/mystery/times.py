"""The times that users' services wrote, compared with the time at which their events were recorded."""

from datetime import datetime, timedelta
from uuid import UUID

from messaging.publisher import outbox
from users.models import User

#: Events of services that set a status.
TYPES = ("users.user.suspended.v1", "users.user.reactivated.v1")
MOST_APART = timedelta(minutes=1)


def wrong(since: datetime) -> dict[UUID, datetime]:
    """Users whose status changed since then and whose row names another time; with the time of the event."""
    recorded: dict[UUID, datetime] = {}
    rows = outbox.rows("users", "users").filter(added__gte=since, destination__in=TYPES).order_by("added")
    for row in rows:
        if not row.body.get("repair"):
            recorded[UUID(row.body["subject"])] = row.added
    written = dict(User.objects.using("users").filter(pk__in=recorded).values_list("pk", "status_since"))
    return {key: recorded[key] for key, moment in written.items() if abs(recorded[key] - moment) > MOST_APART}

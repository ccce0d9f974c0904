"""Values for rows of django-outbox-pattern's tables: its states, and an expiry far in the future."""

from datetime import UTC, datetime

from django_outbox_pattern.choices import StatusChoice

#: By default django-outbox-pattern expires a row after a day, and then skips it silently. Our events never expire.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: `Published.status`: not sent yet, sent, and can't be sent.
WAITING, SENT, FAILED = StatusChoice.SCHEDULE.value, StatusChoice.SUCCEEDED.value, StatusChoice.FAILED.value
#: `Received.status`: the inbox's row is written together with the event's effects.
RECEIVED = StatusChoice.SUCCEEDED.value

"""What rows of django-outbox-pattern's tables are written with: its states, and an expiry that never comes."""

from datetime import UTC, datetime

from django_outbox_pattern.choices import StatusChoice

#: django-outbox-pattern gives a row a day and skips it silently afterwards. An event that waits is still an event.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: `Published.status`: of an event that no relay has sent yet, that was sent, and that can't be sent.
WAITING, SENT, FAILED = StatusChoice.SCHEDULE.value, StatusChoice.SUCCEEDED.value, StatusChoice.FAILED.value
#: `Received.status`: the inbox's row is written with the effects of its event.
RECEIVED = StatusChoice.SUCCEEDED.value

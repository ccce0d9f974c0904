"""`subscribe` is django-outbox-pattern's consumer. This project refuses it."""

from config.management.replaced import Replaced


class Command(Replaced):
    name = "subscribe"
    help = "Refused: the consumer of django-outbox-pattern. Use `celery -A config worker -Q billing` instead."
    reason = (
        "`subscribe` reads from a STOMP server into the inbox of the `default` database. Here a Celery worker reads each context's "
        "queue. Run: celery -A config worker -Q billing."
    )

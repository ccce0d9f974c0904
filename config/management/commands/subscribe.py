"""`subscribe` is django-outbox-pattern's consumer. This project refuses it."""

from config.management.replaced import Replaced


class Command(Replaced):
    name = "subscribe"
    help = "Refused: the consumer of django-outbox-pattern. Use `manage.py worker billing` instead."
    reason = (
        "`subscribe` reads from a STOMP server into the inbox of the `default` database. Here a Celery worker reads each context's "
        "queue. Run: manage.py worker billing."
    )

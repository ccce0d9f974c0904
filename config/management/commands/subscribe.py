"""`subscribe`: django-outbox-pattern's consumer, which isn't the one of this project."""

from config.management.replaced import Replaced


class Command(Replaced):
    name = "subscribe"
    help = "The consumer of django-outbox-pattern. It is refused here: a Celery worker reads each context's queue."
    reason = (
        "`subscribe` reads from a STOMP server into the inbox of the `default` database. Here a Celery worker reads each context's "
        "queue. Type: celery -A config worker -Q billing."
    )

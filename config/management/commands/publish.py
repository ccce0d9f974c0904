"""`publish` is django-outbox-pattern's relay. This project refuses it."""

from config.management.replaced import Replaced


class Command(Replaced):
    name = "publish"
    help = "Refused: the relay of django-outbox-pattern. Use `manage.py relay users` or `manage.py relay billing` instead."
    reason = (
        "`publish` sends the outbox of the `default` database over STOMP. Here every context has an outbox in its own database, "
        "and its relay sends that to Celery's queues. Run: manage.py relay users."
    )

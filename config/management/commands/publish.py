"""`publish`: django-outbox-pattern's relay, which isn't the one of this project."""

from config.management.replaced import Replaced


class Command(Replaced):
    name = "publish"
    help = "The relay of django-outbox-pattern. It is refused here: each context has a relay of its own, `relay users`."
    reason = (
        "`publish` sends over STOMP what is in the outbox of the `default` database. Here every context has its outbox in its own "
        "database and is sent by Celery. Type: manage.py relay users."
    )

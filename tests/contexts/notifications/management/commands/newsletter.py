"""`newsletter`: the users to send the next one to. An address may be a day old; an invoice's status may not."""

from datetime import timedelta
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused
from messaging.replica import staleness
from tests.contexts.notifications.caches import DATABASE
from tests.contexts.notifications.models import Contact

BOUND = timedelta(hours=24)


class Command(BaseCommand):
    help = "Count who gets the newsletter; refused where the addresses are older than a day."

    def handle(self, *args: Any, **options: Any) -> None:
        doubt = staleness.doubt(DATABASE, "users", BOUND)
        if doubt:
            raise Refused(doubt)
        number = Contact.objects.using(DATABASE).exclude(email="").count()
        self.result(options, {"addressees": number}, f"{number} addressees")

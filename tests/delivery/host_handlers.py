"""Billing's handlers in a host that sends mails for each user, by a task of its own Celery app."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from billing.handlers import HANDLERS as BILLING
from billing.handlers import apply_user_changes
from messaging.consumer import Event, Handler, Upserted
from messaging.models import Parked
from tests.delivery.host import send_mail


def apply_and_mail(events: Sequence[Event]) -> Upserted:
    """If the file HOST_FAILS is there, the first try of each event fails, and only its retry sends mails."""
    tried = Parked.objects.using("billing").filter(subject__in=[event.subject for event in events])
    if Path(os.environ["HOST_FAILS"]).exists() and not tried.exists():
        raise RuntimeError("the first try")
    outcome = apply_user_changes(events)
    for event in events:
        send_mail.apply_async(("from the handler", event.subject), queue="mails")
        thread = threading.Thread(
            target=send_mail.apply_async, args=(("from its thread", event.subject),), kwargs={"queue": "mails"}
        )
        thread.start()
        thread.join()
    return outcome


HANDLERS = {wire: Handler(reads=handler.reads, apply=apply_and_mail) for wire, handler in BILLING.items()}

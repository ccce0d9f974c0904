"""Is the system in order? Asked of the tables, the programs and a few changes of its own, whatever repair was chosen before."""

import time
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django_outbox_pattern.models import Received

from messaging import settings
from messaging.celery import app
from messaging.errors import TokenRejected
from messaging.events.text import plural
from messaging.ledger import ledger
from messaging.models import Subscription
from messaging.publisher import outbox, tokens
from messaging.replica import compare
from messaging.replica.replica import Replica
from messaging.transport import queues
from users.models import User
from users.services import user_reactivate, user_suspend
from walkthrough.control import broker
from walkthrough.lab import processes
from walkthrough.mystery import times
from walkthrough.observe import facts
from walkthrough.script.transcript import Check

#: Seconds in which the rest of a repair may arrive, after which nothing moves any more, and in which the relay may take an event.
SETTLING, STILL, PROBE = 60.0, 1.5, 30.0
LOOK = 0.1
#: How often a user is suspended and reactivated to see if events flow.
PROBES = 3


def check(since: datetime) -> list[Check]:
    """Return what was found. What doesn't heal by itself is found at once; the rest gets time to settle.

    `since`: when the mystery began.
    """
    found = [_programs(), _token(), _announced(), _parked(), _times(since)]
    if all(one.holds for one in found):
        _settle()
        found[3] = _parked()
    found += [_delivered(), _agree(), _state()]
    if all(one.holds for one in found):
        found.append(_flow())
        found += [_equal()] if found[-1].holds else []
    return found


def _programs() -> Check:
    down = [one for one in processes.listed() if not one.runs]
    return Check("Every program runs", not down, ", ".join(f"{one.name} {one.word}" for one in down))


def _token() -> Check:
    claim = "Users accepts billing's token"
    try:
        entry = tokens.by_token("users", settings.api_token("billing", "users"))
    except TokenRejected as error:
        return Check(claim, False, str(error))
    return Check(claim, entry.name == "billing", f"until {entry.token_expires_at:%Y-%m-%d}")


def _announced() -> Check:
    number = ledger.unannounced("users").count()
    return Check(
        "Every change of a user has an event", number == 0, f"{plural(number, 'user')} changed without one" if number else ""
    )


def _parked() -> Check:
    number = facts.parked().count()
    return Check("No message is parked at billing", number == 0, f"{number} parked" if number else "")


def _times(since: datetime) -> Check:
    wrong, seen = times.wrong(since), ""
    for user in User.objects.using("users").filter(pk__in=wrong)[:1]:
        seen = f"{user.name} is {user.status} since {user.status_since:%H:%M:%S}, and the event is of {wrong[user.pk]:%H:%M:%S}"
    return Check("The times that users wrote are those of its events", not wrong, seen)


def _delivered() -> Check:
    unsent, queued = facts.unsent(), queues.depth(app, "billing") or 0
    return Check("Nothing waits in outbox and queue", not unsent and not queued, f"{unsent} unsent, {queued} queued")


def _agree() -> Check:
    return Check("Billing's copy equals users' rows", facts.agree(), facts.in_words())


def _state() -> Check:
    row = facts.progress()
    behind = max(0, row.head - row.checkpoint)
    holds = row.state == Subscription.State.LIVE and not row.doubt and not behind
    return Check(
        "The copy is live, without doubt and caught up", holds, row.doubt or f"{row.state}, {plural(behind, 'position')} behind"
    )


def _settle() -> None:
    """Wait until everything has arrived, or until nothing moves any more although rows differ."""
    limit, still_since, before = time.monotonic() + SETTLING, time.monotonic(), None
    while time.monotonic() < limit:
        row, differing = facts.progress(), facts.differing()
        if row.doubt and not differing:
            _equal()  # a comparison that finds both sides equal ends a doubt
        arrived, caught_up = _delivered().holds, _state().holds
        if arrived and caught_up and not differing:
            return
        now = row.checkpoint, row.applied, differing, arrived
        if now != before or not (arrived and (caught_up or row.doubt)):
            still_since, before = time.monotonic(), now
        if time.monotonic() - still_since > STILL:
            return
        time.sleep(LOOK)


def _flow() -> Check:
    """Change a user a few times. Each event must be in the inbox before a heartbeat that is sent after it, and once."""
    claim = "Events of new changes reach billing's inbox, at once and once each"
    if not facts.active(1):
        return Check(claim, False, "no user is active, so none can be suspended")
    before = facts.counts()["duplicate"]
    sent = [event for _ in range(PROBES) for event in _probed()]
    arrived = Received.objects.using("billing").filter(msg_id__in=[f"billing:{event}" for event in sent]).count()
    repeated = facts.counts()["duplicate"] - before
    seen = f"{arrived} of {plural(2 * PROBES, 'event')}, {plural(repeated, 'duplicate')}"
    return Check(claim, arrived == 2 * PROBES and not repeated, seen)


def _probed() -> list[UUID]:
    """Suspend and reactivate a user, and wait until billing has handled what was sent. Returns the events that were recorded."""
    user, began = facts.active(1000)[-1], timezone.now()
    user_suspend(user_id=user.pk, reason="a check")
    user_reactivate(user_id=user.pk)
    limit = time.monotonic() + PROBE
    while facts.unsent() and time.monotonic() < limit:
        time.sleep(LOOK / 5)
    broker.hands_are_empty("billing", "users")
    recorded = outbox.rows("users", "users").filter(added__gte=began, body__subject=str(user.pk))
    return list(recorded.values_list("pk", flat=True))


def _equal() -> Check:
    found = compare.compare(Replica.of("billing", "users"))
    return Check(
        "The fingerprints of both sides are equal", found.verdict == "in_sync", str(found.error or found.verdict.replace("_", " "))
    )

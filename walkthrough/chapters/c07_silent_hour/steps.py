"""Chapter 7: the publisher records no events for an hour. Notice it, list the changes, repair them."""

import random
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from billing.models import CachedUser
from messaging.events.text import plural
from messaging.ledger import ledger
from messaging.models import Consumer, Incident
from users.models import User
from users.services import user_change_email, user_erase, user_reactivate, user_suspend
from walkthrough.control import broker, reset, simulated_clock
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Ran

#: Rows that the tables show.
SHOWN = 3


def starts(stage: Stage) -> None:
    reset.reset()
    stage.check("Billing has an equal copy of every user", facts.agree(), facts.in_words())


def silence(stage: Stage) -> None:
    stage.stop("tend-billing")
    stage.say("Billing's sync process (`tend-billing`) is stopped. It would repair the copy within seconds.")
    before = facts.recorded(), facts.counts()
    began = timezone.now() - timedelta(hours=1)
    stage.faults.switch("publisher_bug", True)
    try:
        changed = [_change(began, minute, user_id, act) for minute, user_id, act in _changes()]
    finally:
        stage.faults.switch("publisher_bug", False)
    ids = sorted(set(changed))
    stage.notes.update(changed=ids, twice=max(ids, key=changed.count))
    stage.say(f"{plural(len(changed), 'change')} to {plural(len(ids), 'user')}. The users table has every change.")
    stage.fault("No event was recorded", facts.recorded() == before[0], plural(facts.recorded() - before[0], "event"))
    quiet = broker.hands_are_empty("billing", "users") and facts.counts() == before[1]
    wrong = facts.parked().exists()
    stage.fault("Nothing reached billing's queue, and nothing is parked", quiet and not wrong)
    stage.outcome(nothing=quiet and not wrong, queue=not quiet and not wrong, parked=wrong)
    stage.rows(f"{SHOWN} of these users, side by side", facts.SIDES, facts.side_by_side([UUID(user_id) for user_id in ids[:SHOWN]]))
    stale = {str(user_id): kind for user_id, kind in facts.differing().items()} == dict.fromkeys(ids, "stale")
    stage.fault("Billing's copy of each is stale", stale, facts.in_words())


def notice(stage: Stage) -> None:
    number = len(stage.notes["changed"])

    def lag() -> int:
        row = facts.progress()
        return row.head - row.checkpoint

    stage.eventually(
        "A heartbeat brought the head of users' feed, so billing knows that its copy is behind",
        lambda: lag() >= number,
        lambda: f"checkpoint {facts.progress().checkpoint}, head {facts.progress().head}",
    )
    consumers = stage.quietly("status", "--json").json["consumers"]
    shown = {(row["consumer"], row["authority"]): (row["checkpoint"], row["head"], row["lag"]) for row in consumers}[
        "billing", "users"
    ]
    stage.rows("From manage.py status: billing's copy of users", ("checkpoint", "head", "lag"), [shown])
    stage.say("Two quick changes to one user share a position.")
    stage.check("`status` shows the lag", shown[-1] == lag())


def listed(stage: Stage) -> None:
    found = _ids(stage.manage("republish", "users", "--dry-run"))
    stage.check("The ledger lists exactly the users that changed", found == stage.notes["changed"], plural(len(found), "user"))
    head = ("user", "version", "announced", "changed at")
    stage.rows(f"{SHOWN} entries of the ledger", head, _unannounced()[-SHOWN:])


def pull(stage: Stage) -> None:
    began = time.monotonic()
    stage.start("tend-billing")
    whole = stage.wait("Waits until the sync process has pulled the missing changes", facts.agree)
    took = f"{time.monotonic() - began:.1f} s after its start"
    stage.check("The sync process pulls the missing changes", whole, f"{facts.in_words()}, {took}")
    found = facts.incidents(kind=Incident.Kind.SILENT).first()
    named = found is not None and sorted(found.subjects) == stage.notes["changed"]
    stage.check("An incident names each of these users", named, found.summary if found else "no incident")
    repaired = CachedUser.objects.using("billing").filter(source="repair").count()
    stage.check("Each of these rows names a repair as its source", repaired == len(stage.notes["changed"]), plural(repaired, "row"))


def republish(stage: Stage) -> None:
    number, before = len(stage.notes["changed"]), facts.counts()
    republished = _ids(stage.quietly("republish", "users"))
    each = republished == stage.notes["changed"] and facts.recorded() == number
    stage.check("`republish users` records one event for each, with the current state", each, plural(facts.recorded(), "event"))
    left = ledger.unannounced("users").count()
    stage.check("Each user's newest version has an event", left == 0, f"{left} unannounced")
    stage.eventually(
        "Billing already has these versions, so it counts the events as obsolete",
        lambda: facts.counts()["obsolete"] - before["obsolete"] == number,
        _counted,
    )


def late(stage: Stage) -> None:
    originals = [_copy_for_billing(event) for event in stage.faults.suppressed()]
    random.shuffle(originals)
    before, rows = facts.counts(), _rows()
    broker.send("billing", "users", originals)
    stage.say(
        f"The {plural(len(originals), 'original event')} arrive in random order. One suspends a user who was reactivated later."
    )
    stage.eventually(
        "All are obsolete",
        lambda: facts.counts()["obsolete"] - before["obsolete"] == len(originals),
        _counted,
    )
    changed = len(set(rows) ^ set(_rows())) / 2
    stage.outcome(none=not changed, one=changed == 1, more=changed > 1)
    stage.check("No row changed", not changed and facts.counts()["applied"] == before["applied"], facts.in_words())
    twice = UUID(stage.notes["twice"])
    stage.check(
        "The user who was suspended and reactivated is active", facts.copied_status(twice) == "active", facts.copied_status(twice)
    )
    ran = stage.quietly("reconcile", "billing", "--from", "users")
    stage.check("`reconcile` finds no difference", ran.code == 0, ran.last)


Change = Callable[[datetime], object]


def _changes() -> Iterator[tuple[int, UUID, Change]]:
    """(minute of the hour, user, change): with each service, twice for one user, and once by SQL."""
    active = [user.pk for user in facts.active(10)]
    halted = list(User.objects.using("users").filter(status="suspended").order_by("id").values_list("pk", flat=True)[:2])
    for number, user_id in enumerate(active[:6]):
        yield 2 + 5 * number, user_id, _by(user_suspend, user_id=user_id, reason="in the silent hour")
    for number, user_id in enumerate(halted):
        yield 33 + number, user_id, _by(user_reactivate, user_id=user_id)
    twice, moved, erased, raw = active[6:]
    yield 8, twice, _by(user_suspend, user_id=twice, reason="by mistake")
    yield 40, twice, _by(user_reactivate, user_id=twice)
    yield 45, moved, _by(user_change_email, user_id=moved, email="moved.in.silence@example.org")
    yield 50, erased, _by(user_erase, user_id=erased)
    yield 55, raw, partial(_by_sql, raw)


def _by(service: Callable[..., object], **values: object) -> Change:
    """A service's call; it reads the time from `users.clock`."""
    return lambda moment: service(**values)


def _change(began: datetime, minute: int, user_id: UUID, act: Change) -> str:
    moment = began + timedelta(minutes=minute)
    simulated_clock.happened(moment, user_id, lambda: act(moment))
    return str(user_id)


def _by_sql(user_id: UUID, moment: datetime) -> None:
    """A change as somebody types it into a database shell."""
    connection, key, since = connections["users"], User._meta.pk, User._meta.get_field("status_since")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE users_user SET status = 'suspended', status_since = %s WHERE id = %s",
            [since.get_db_prep_value(moment, connection), key.get_db_prep_value(user_id, connection)],
        )


def _unannounced() -> list[tuple[str, int, int, str]]:
    entries = list(ledger.unannounced("users").order_by("changed_at"))
    names = dict(User.objects.using("users").values_list("pk", "name"))
    return [
        (
            names.get(UUID(entry.aggregate_id)) or f"erased ({entry.aggregate_id[:8]})",
            entry.version,
            entry.announced_version,
            f"{entry.changed_at:%H:%M}",
        )
        for entry in entries
    ]


def _ids(ran: Ran) -> list[str]:
    """The users that a command lists, one per line."""
    return sorted(re.findall(rf"^\s*({'-'.join(f'[0-9a-f]{{{n}}}' for n in (8, 4, 4, 4, 12))})$", ran.output, re.MULTILINE))


def _counted() -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in facts.counts().items())


def _copy_for_billing(event: dict[str, Any]) -> dict[str, Any]:
    """The event with only the fields that billing is registered for, as the relay sends it."""
    fields = set(Consumer.objects.using("users").get(name="billing").fields)
    return {**event, "data": {name: value for name, value in event["data"].items() if name in fields}}


def _rows() -> list[tuple[Any, ...]]:
    return list(CachedUser.objects.using("billing").order_by("user_id").values_list("user_id", "version", "status", "received_at"))


STEPS = {
    "silence": Act(silence, Kind.BREAK),
    "notice": Act(notice),
    "list": Act(listed),
    "pull": Act(pull, Kind.MEND),
    "republish": Act(republish, Kind.MEND),
    "late": Act(late, Kind.BREAK),
}

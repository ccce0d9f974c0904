"""Chapter 4: billing keeps its own copy, whatever arrives: duplicates, late and shuffled events, invalid messages."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone

from billing.models import CachedUser
from messaging.events.ids import uuid7
from messaging.events.text import plural
from users.models import User
from users.services import user_reactivate, user_suspend
from walkthrough.control import broker, reset
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

#: How often each of `USERS` users is suspended and reactivated before the last suspension.
TIMES, USERS = 6, 3
EVENTS = USERS * (2 * TIMES + 1)
DELIVERIES = 3 * EVENTS


def starts(stage: Stage) -> None:
    reset.reset()
    stage.check("Billing has an equal copy of every user", facts.agree(), facts.in_words())


@contextmanager
def by_events_alone(stage: Stage) -> Iterator[None]:
    """Let only events change the copy: on a busy machine, `tend` may pull a change before its event comes."""
    stage.stop("tend-billing")
    try:
        yield
    finally:
        stage.start("tend-billing")


def follow(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(3)]
    stage.say("Billing's sync process (`tend-billing`) is stopped, so only events change the copy.")
    with by_events_alone(stage):
        for user_id in chosen:
            user_suspend(user_id=user_id, reason="chapter 4")
        stage.eventually("Billing's copy follows", facts.agree, facts.in_words)
    stage.rows("Side by side", facts.SIDES, facts.side_by_side(chosen))
    by_event = CachedUser.objects.using("billing").filter(pk__in=chosen, source="event").count()
    stage.check("An event brought each of these rows", by_event == len(chosen), f"{by_event} of {len(chosen)}")


def storm(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(USERS)]
    before = facts.counts()
    stage.faults.switch("duplicate", True)
    stage.faults.switch("reorder", True)
    try:
        for _ in range(TIMES):
            for user_id in chosen:
                user_suspend(user_id=user_id, reason="storm")
            for user_id in chosen:
                user_reactivate(user_id=user_id)
        for user_id in chosen:
            user_suspend(user_id=user_id, reason="the newest state")
        stage.say(f"The users context recorded {plural(EVENTS, 'event')} about three users.")
        stage.wait("Waits until the relay has sent every event", lambda: facts.unsent() == 0)
    finally:
        stage.faults.mend_all()
    counted = {name: value - before[name] for name, value in facts.counts().items()}

    def all_arrived() -> bool:
        counted.update({name: value - before[name] for name, value in facts.counts().items()})
        return sum(counted.values()) >= DELIVERIES

    seen = lambda: ", ".join(f"{value} {name}" for name, value in counted.items())  # noqa: E731
    stage.eventually(f"All {plural(DELIVERIES, 'delivery', 'deliveries')} arrived", all_arrived, seen)
    stage.check("Repeats are counted as duplicates, and change nothing", counted["duplicate"] == 2 * EVENTS)
    stage.check("Overtaken events are counted as obsolete, and change nothing", counted["obsolete"] > 0)
    stage.rows("Side by side", facts.SIDES, facts.side_by_side(chosen))
    last = set(CachedUser.objects.using("billing").filter(pk__in=chosen).values_list("status", flat=True))
    stage.outcome(
        every=counted["applied"] >= DELIVERIES, each=EVENTS <= counted["applied"] < DELIVERIES, fewer=counted["applied"] < EVENTS
    )
    stage.check("The newest state wins", last == {"suspended"} and facts.agree(), facts.in_words())


def poison(stage: Stage) -> None:
    poisoned, around = facts.active(2)
    brought = lambda: CachedUser.objects.using("billing").get(pk=around.pk)  # noqa: E731
    with by_events_alone(stage):
        user_suspend(user_id=around.pk, reason="before the poison")
        broker.send("billing", "users", [_archived(poisoned), "this is no event"])
        user_reactivate(user_id=around.pk)
        stage.say("One has the status “archived”, which billing doesn't know. The other is a text and no event.")
        stage.eventually(
            "Both are parked, with their reasons", lambda: facts.parked().count() == 2, lambda: f"{facts.parked().count()} parked"
        )
        stage.eventually(
            "The event after them is applied",
            lambda: facts.agree() and brought().source == "event",
            lambda: f"brought by: {brought().get_source_display()}",
        )
        arrived, taken = facts.agree(), broker.hands_are_empty("billing", "users")
        stage.outcome(arrives=arrived, waits=not arrived and not taken, lost=not arrived and taken)
    stage.manage("parked", "list", "billing")


def discard(stage: Stage) -> None:
    ids = [str(row.pk) for row in facts.parked().order_by("pk")]
    stage.manage("parked", "discard", "billing", *ids, "--note", "sent by chapter 4")
    stage.check("No message is parked any more", not facts.parked().exists(), f"{facts.parked().count()} parked")
    stage.check("The copy is equal", facts.agree(), facts.in_words())


def _archived(user: User) -> dict[str, object]:
    """An event as a newer publisher might send it."""
    now = timezone.now().isoformat()
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": "users",
        "type": "users.user.suspended.v1",
        "subject": str(user.pk),
        "time": now,
        "data": {"status": "archived", "status_since": now},
        "aggregateversion": 99,
        "correlationid": str(uuid7()),
    }


STEPS = {
    "follow": Act(follow),
    "storm": Act(storm, Kind.BREAK),
    "poison": Act(poison, Kind.BREAK),
    "discard": Act(discard, Kind.MEND),
}

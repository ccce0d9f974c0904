"""Chapter 8: the broker loses everything, then stays away for a while."""

from typing import Any

from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser
from messaging.celery import app
from messaging.events.text import plural
from messaging.replica.sync import SILENCE_SECONDS
from messaging.transport import queues
from users.models import User
from users.services import user_reactivate, user_suspend
from walkthrough.control import broker, reset
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

QUEUED, MEANWHILE = 6, 4
REASONS = "it was in the queue", "without a broker"


def starts(stage: Stage) -> None:
    reset.reset()
    stage.check("Billing has an equal copy of every user", facts.agree(), facts.in_words())
    stage.notes["path"] = "broker" if broker.embedded() else "relay-users"
    if not broker.embedded():
        stage.say(
            "This project doesn't run the broker that CELERY_BROKER_URL names. So this chapter empties the project's queues "
            "instead of losing the broker, and stops the relay instead of the broker."
        )


def lose(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(QUEUED)]
    stage.stop("tend-billing", "worker-billing")
    began = timezone.now()
    for user_id in chosen:
        user_suspend(user_id=user_id, reason=REASONS[0])
    stage.eventually("The relay has sent their events", lambda: facts.unsent() == 0, lambda: f"{facts.unsent()} unsent")
    stage.check("They wait in the queue", waiting() > 0, f"{plural(waiting(), 'message')}, including heartbeats")
    with stage.waiting("Empties the broker, and starts it again"):
        broker.lose()
    stage.start("worker-billing")
    stage.say("Billing's worker runs again. Its sync process is still stopped.")
    through = stage.wait("Waits until billing's worker has emptied its queue", lambda: broker.hands_are_empty("billing", "users"))
    stage.check("The worker has taken every message that the broker has", through)
    arrived = received(chosen, began)
    stage.fault("None of the events arrived: they are lost", arrived == 0, f"{arrived} of {QUEUED} in billing's inbox")
    stage.outcome(all=arrived == QUEUED, some=0 < arrived < QUEUED, none=arrived == 0)
    stage.fault("Billing would invoice all six users", len(facts.differing()) == QUEUED, facts.in_words())
    stage.notes["queued"] = [str(user_id) for user_id in chosen]


def work_on(stage: Stage) -> None:
    stage.stop(stage.notes["path"])
    stage.say("The broker is stopped. The users context keeps working.")
    changed = [user.pk for user in facts.active(MEANWHILE - 1)]
    for user_id in changed:
        user_suspend(user_id=user_id, reason=REASONS[1])
    again = User.objects.using("users").filter(status="suspended").exclude(suspension_reason__in=REASONS).order_by("pk")[0]
    changed.append(user_reactivate(user_id=again.pk).pk)
    stage.check("Every change is committed without the broker", len(changed) == MEANWHILE, plural(len(changed), "change"))
    kept = facts.unsent()
    stage.check("The outbox keeps their events", kept == MEANWHILE, f"{kept} unsent")
    committed = User.objects.using("users").filter(pk__in=changed, suspension_reason=REASONS[1]).count() == MEANWHILE - 1
    stage.outcome(wait=committed and kept == MEANWHILE, lost=committed and kept < MEANWHILE, refused=not committed)
    stage.fault("Billing knows none of these changes", len(facts.differing()) == QUEUED + MEANWHILE, facts.in_words())
    stage.notes["meanwhile"] = [str(user_id) for user_id in changed]


def follow(stage: Stage) -> None:
    stage.start("tend-billing")
    stage.say(f"The sync process runs again. It waits {SILENCE_SECONDS:.0f} seconds for a heartbeat.")
    stage.eventually("Billing's copy is equal again, and the broker is still stopped", facts.agree, facts.in_words, timeout=30)
    changed = {*stage.notes["queued"], *stage.notes["meanwhile"]}
    rows = CachedUser.objects.using("billing").filter(pk__in=changed)
    pulled = rows.filter(source="repair").count()
    stage.check("All of these changes came from the feed", pulled == len(changed), f"{pulled} of {len(changed)} pulled")
    stage.check("The outbox still keeps its events", facts.unsent() == MEANWHILE, f"{facts.unsent()} unsent")
    number = facts.incidents().count()
    stage.check("This is no incident, because every change has its event", number == 0, plural(number, "incident"))


def back(stage: Stage) -> None:
    before = facts.counts()
    stage.start(stage.notes["path"])
    stage.eventually("The relay sends these events", lambda: facts.unsent() == 0, lambda: f"{facts.unsent()} unsent", timeout=30)
    counted = lambda: {name: value - before[name] for name, value in facts.counts().items()}  # noqa: E731
    stage.eventually(
        "They arrive late",
        lambda: sum(counted().values()) >= MEANWHILE,
        lambda: plural(sum(counted().values()), "event"),
    )
    seen = ", ".join(f"{value} {name}" for name, value in counted().items())
    stage.check("They change nothing", counted()["obsolete"] == MEANWHILE and counted()["applied"] == 0, seen)
    compared = stage.quietly("reconcile", "billing", "--from", "users")
    stage.check("`reconcile` finds no difference: no fact is lost", compared.code == 0, compared.last)
    number = facts.incidents().count()
    stage.check("There is still no incident", number == 0, plural(number, "incident"))


def waiting() -> int:
    return queues.depth(app, "billing") or 0


def received(chosen: list[Any], began: Any) -> int:
    """Count the events about these users, recorded since then, that are in billing's inbox."""
    events = Published.objects.using("users").filter(added__gte=began, body__subject__in=[str(user_id) for user_id in chosen])
    keys = [f"billing:{event_id}" for event_id in events.values_list("pk", flat=True)]
    return Received.objects.using("billing").filter(msg_id__in=keys).count()


STEPS = {
    "lose": Act(lose, Kind.BREAK),
    "work-on": Act(work_on, Kind.BREAK),
    "follow": Act(follow, Kind.MEND),
    "back": Act(back, Kind.MEND),
}

"""Chapter 8: the broker is lost, with everything in it; and it stays away for a while."""

from typing import Any

from celery import current_app
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser
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
    stage.check("Billing has a copy of every user, and it agrees", facts.agree(), facts.in_words())
    stage.notes["road"] = "broker" if broker.embedded() else "relay-users"
    if not broker.embedded():
        stage.say(
            "The broker is one that CELERY_BROKER_URL names, so it isn't ours to stop. Where this chapter loses it, "
            "the project's queues "
            "on it are emptied; where it stays away, the relay is stopped, so that nothing passes."
        )


def lose(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(QUEUED)]
    stage.processes.stop("tend-billing", "worker-billing")
    began = timezone.now()
    for user_id in chosen:
        user_suspend(user_id=user_id, reason=REASONS[0])
    stage.eventually(
        "The relay has sent them: nothing waits in the outbox", lambda: facts.unsent() == 0, lambda: f"{facts.unsent()} unsent"
    )
    stage.check(
        "They wait in the queue: nobody takes them", waiting() > 0, f"{plural(waiting(), 'message')}, heartbeats among them"
    )
    broker.lose()
    stage.processes.start("worker-billing")
    stage.say(
        "The broker is back, with nothing in it, and billing's worker runs again. What feeds a copy without events is still off."
    )
    through = stage.wait(lambda: broker.hands_are_empty("billing", "users"))
    stage.check("The worker is through with all that the broker has", through)
    arrived = received(chosen, began)
    stage.check("Not one of the events arrived. They are gone for good", arrived == 0, f"{arrived} of {QUEUED} in billing's inbox")
    stage.check("Billing would invoice them all", len(facts.differing()) == QUEUED, facts.in_words())
    stage.rows("Side by side", facts.SIDES, facts.side_by_side(chosen))
    stage.notes["queued"] = [str(user_id) for user_id in chosen]


def work_on(stage: Stage) -> None:
    stage.processes.stop(stage.notes["road"])
    stage.say("Now it stays away. People go on using users.")
    changed = [user.pk for user in facts.active(MEANWHILE - 1)]
    for user_id in changed:
        user_suspend(user_id=user_id, reason=REASONS[1])
    again = User.objects.using("users").filter(status="suspended").exclude(suspension_reason__in=REASONS).order_by("pk")[0]
    changed.append(user_reactivate(user_id=again.pk).pk)
    stage.check(
        "Every change is committed: users doesn't need the broker", len(changed) == MEANWHILE, plural(len(changed), "change")
    )
    stage.check("Their events are kept in the outbox", facts.unsent() == MEANWHILE, f"{facts.unsent()} unsent")
    stage.check("Billing knows of none of it", len(facts.differing()) == QUEUED + MEANWHILE, facts.in_words())
    stage.notes["meanwhile"] = [str(user_id) for user_id in changed]


def follow(stage: Stage) -> None:
    stage.processes.start("tend-billing")
    stage.say(
        f"Billing's own process for its copy runs again. It heard nothing for {SILENCE_SECONDS:.0f} seconds, so it stops "
        "waiting for events and "
        "asks the feed of users: what changed since my checkpoint?"
    )
    stage.eventually("Billing's copy agrees, and the broker is still away", facts.agree, facts.in_words, timeout=30)
    changed = {*stage.notes["queued"], *stage.notes["meanwhile"]}
    rows = CachedUser.objects.using("billing").filter(pk__in=changed)
    pulled = rows.filter(source="repair").count()
    stage.check("The feed brought every one of them, no event did", pulled == len(changed), f"{pulled} of {len(changed)} pulled")
    stage.check("The outbox keeps what it couldn't send", facts.unsent() == MEANWHILE, f"{facts.unsent()} unsent")
    number = facts.incidents().count()
    stage.check("Nobody is woken up: each change had its event, so this is no incident", number == 0, plural(number, "incident"))


def back(stage: Stage) -> None:
    before = facts.counts()
    stage.processes.start(stage.notes["road"])
    stage.eventually("The outbox drains by itself", lambda: facts.unsent() == 0, lambda: f"{facts.unsent()} unsent", timeout=30)
    counted = lambda: {name: value - before[name] for name, value in facts.counts().items()}  # noqa: E731
    stage.eventually(
        "The late events arrive",
        lambda: sum(counted().values()) >= MEANWHILE,
        lambda: plural(sum(counted().values()), "event"),
    )
    told = ", ".join(f"{value} {name}" for name, value in counted().items())
    stage.check(
        "They do nothing: billing is further already", counted()["obsolete"] == MEANWHILE and counted()["applied"] == 0, told
    )
    compared = stage.manage("reconcile", "billing", "--from", "users")
    stage.check("Fingerprints are equal: nothing is lost", compared.code == 0, f"exit code {compared.code}")
    number = facts.incidents().count()
    stage.check("And still there is no incident", number == 0, plural(number, "incident"))


def waiting() -> int:
    return queues.depth(current_app, "billing") or 0


def received(chosen: list[Any], began: Any) -> int:
    """How many of the events about these users, recorded since then, are in billing's inbox."""
    events = Published.objects.using("users").filter(added__gte=began, body__subject__in=[str(user_id) for user_id in chosen])
    keys = [f"billing:{event_id}" for event_id in events.values_list("pk", flat=True)]
    return Received.objects.using("billing").filter(msg_id__in=keys).count()


STEPS = {
    "lose": Act(lose, Kind.BREAK),
    "work-on": Act(work_on, Kind.BREAK),
    "follow": Act(follow, Kind.MEND),
    "back": Act(back, Kind.MEND),
}

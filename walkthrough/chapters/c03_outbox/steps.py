"""Chapter 3: users announces its facts, and a crash separates the change from the message."""

from uuid import UUID

from django.db import DatabaseError
from django_outbox_pattern.models import Published

from billing.models import Invoice
from messaging.events.text import plural
from users.services import user_reactivate, user_suspend
from walkthrough.control import broker, crash_points, reset
from walkthrough.observe import facts
from walkthrough.scenarios import picked_relay
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Ran

PERIOD = "2026-11"
#: What the package's relay writes before each try, and how many events wait for it.
TRIES, WAITING = "Starting publisher", 3


def starts(stage: Stage) -> None:
    reset.reset()
    stage.stop("tend-billing")
    stage.say(
        "Billing's sync process (`tend-billing`) is stopped. It would repair the next steps' damage within seconds (chapter 7)."
    )
    stage.notes.update(zip(("lost", "false", "undone", "kept"), (str(user.pk) for user in facts.active(4)), strict=True))
    stage.check("Billing has an equal copy of every user", facts.agree(), facts.in_words())


def commit_first(stage: Stage) -> None:
    user_id, before = UUID(stage.notes["lost"]), sum(facts.counts().values())
    ran = stage.manage("dual_write", "commit-then-send", str(user_id), "--die-after", "committed")
    committed = _killed(ran) and facts.user_status(user_id) == "suspended"
    stage.check("The process was killed right after its commit", committed)
    stage.fault("No event is recorded, and none is on its way", _nothing_comes(), f"{facts.recorded()} in the outbox")
    stage.rows("Side by side", facts.SIDES, facts.side_by_side([user_id]))
    stage.fault("Billing received nothing: its row is stale", facts.differing() == {user_id: "stale"})
    received = sum(facts.counts().values()) - before
    stage.outcome(once=received == 1, twice=received > 1, nothing=received == 0)
    stage.manage("generate_invoices", "--period", PERIOD)
    billed = Invoice.objects.using("billing").filter(user_id=user_id, period=PERIOD).exists()
    stage.fault("So billing invoices a suspended user", billed)


def send_first(stage: Stage) -> None:
    user_id = UUID(stage.notes["false"])
    ran = stage.manage("dual_write", "send-then-commit", str(user_id), "--die-after", "sent")
    stage.check("The process was killed right before its commit", _killed(ran))
    stage.eventually("Billing has received a suspension", lambda: facts.copied_status(user_id) == "suspended")
    stage.rows("Side by side", facts.SIDES, facts.side_by_side([user_id]))
    false = facts.user_status(user_id) == "active" and facts.differing().get(user_id) == "ahead"
    stage.fault("The suspension was never committed: billing calls an active user suspended", false, facts.in_words())
    here, there = facts.user_status(user_id) == "suspended", facts.copied_status(user_id) == "suspended"
    stage.outcome(both=here and there, users=here and not there, billing=there and not here, nobody=not here and not there)


def outbox(stage: Stage) -> None:
    undone, kept = UUID(stage.notes["undone"]), UUID(stage.notes["kept"])
    before = facts.recorded()
    ran = stage.manage("dual_write", "outbox", str(undone), "--die-after", "recorded")
    neither = _killed(ran) and facts.user_status(undone) == "active" and facts.recorded() == before
    stage.check(
        "Killed before the commit: neither the change nor its event exists", neither, f"{facts.recorded() - before} recorded"
    )
    ran = stage.manage("dual_write", "outbox", str(kept), "--die-after", "committed")
    both = _killed(ran) and facts.user_status(kept) == "suspended" and facts.recorded() == before + 1
    stage.check("Killed after the commit: the change and its event exist", both, f"{facts.recorded() - before} recorded")
    stage.eventually("The relay sends the event, and billing applies it", lambda: facts.copied_status(kept) == "suspended")


def kill_relay(stage: Stage) -> None:
    claimed, sent = (user.pk for user in facts.active(6)[4:])
    _crash_relay(stage, "relay.claimed", claimed)
    stage.eventually(
        "The new relay sends the event whose row the killed one had locked", lambda: facts.copied_status(claimed) == "suspended"
    )
    before = facts.counts()
    _crash_relay(stage, "relay.sent", sent)
    counted: dict[str, int] = {}

    def both_deliveries() -> bool:
        counted.update({name: value - before[name] for name, value in facts.counts().items()})
        return sum(counted.values()) == 2

    seen = lambda: ", ".join(f"{value} {name}" for name, value in counted.items())  # noqa: E731
    stage.eventually("The new relay sends the unmarked event again", both_deliveries, seen)
    once = counted["applied"] == 1 and counted["duplicate"] == 1 and facts.copied_status(sent) == "suspended"
    stage.check("The event was applied once: its second delivery is counted as a duplicate", once)
    received, applied = sum(counted.values()), counted["applied"]
    stage.outcome(once=received == applied == 1, apply_once=received > applied == 1, apply_twice=applied > 1)


def package(stage: Stage) -> None:
    stage.stop("relay-users")
    chosen = [user.pk for user in facts.active(9)[-WAITING:]]
    for user_id in chosen:
        user_suspend(user_id=user_id, reason="chapter 3")
    stage.check("Each event is a row of the package's table", *_waiting())
    command = ("-m", "django", "publish", "--settings", picked_relay.__name__)
    ran = stage.until(*command, reached=lambda said: said.count(TRIES) >= WAITING)
    number, hidden = ran.output.count(TRIES), _hidden_error()
    named = hidden in ran.output
    stage.fault(
        "The relay keeps trying, at INFO, and names no error",
        number >= WAITING and not named,
        plural(number, "try", "tries"),
    )
    stage.fault("The relay looks into `default`, and hides this error", "published" in hidden, hidden)
    nothing, unsent = _waiting()
    stage.fault("It sent nothing", nothing, unsent)
    stage.outcome(sends=not nothing, names=nothing and named, hides=nothing and not named)
    stage.say(
        "A database router isn't enough. On PostgreSQL the relay still opens its transaction on `default`. So Django refuses to "
        "lock the rows in `users`, and the relay writes the same line."
    )
    stage.start("relay-users")
    stage.eventually(
        "The relay of this project sends the same rows",
        lambda: facts.unsent() == 0 and all(facts.copied_status(user_id) == "suspended" for user_id in chosen),
        lambda: f"{facts.unsent()} unsent",
    )
    stage.say("So the package's tables work in any database. Its relay doesn't.")


def mend(stage: Stage) -> None:
    lost, false = UUID(stage.notes["lost"]), UUID(stage.notes["false"])
    stage.start("tend-billing")
    stage.eventually("Billing pulls the lost change from `users`", lambda: lost not in facts.differing(), facts.in_words)
    late = Invoice.objects.using("billing").get(user_id=lost, period=PERIOD).review_reason
    stage.check("The invoice is flagged", bool(late), late)
    ran = stage.manage("reconcile", "billing", "--from", "users", "--json")
    ahead = ran.code == 1 and ran.json["counts"]["ahead"] == 1
    stage.fault("Pulling can't repair the other row: billing's version is higher", ahead)
    user_suspend(user_id=false, reason="the version that billing has")
    user_reactivate(user_id=false)
    stage.say("So the users context changes that user twice. Its version is now higher than billing's.")
    stage.eventually("Now all rows are equal", facts.agree, facts.in_words)


def _crash_relay(stage: Stage, step: str, user_id: UUID) -> None:
    """Kill the supervised relay at a step of its work, while it holds an event of this user. Return when its successor runs."""
    stage.wait("Waits until the relay runs", lambda: stage.processes.runs("relay-users"))
    was = stage.processes.pid("relay-users")
    crash_points.plant(step, "relay", "users")
    try:
        user_suspend(user_id=user_id, reason="chapter 3")
        stage.eventually(f"The relay, process {was}, is killed at `{step}`", lambda: crash_points.went_off() == was)
    finally:
        crash_points.defuse()
    successor = lambda: stage.processes.pid("relay-users") not in (0, was)  # noqa: E731
    stage.eventually("A new relay runs", successor, lambda: f"process {stage.processes.pid('relay-users')}")


def _waiting() -> tuple[bool, str]:
    return facts.unsent() == WAITING, f"{facts.unsent()} unsent"


def _hidden_error() -> str:
    """The database's answer to the query that the package's relay makes."""
    try:
        Published.objects.using("default").exists()
    except DatabaseError as error:
        return str(error).splitlines()[0]
    return "none"


def _killed(ran: Ran) -> bool:
    return ran.code == -9


def _nothing_comes() -> bool:
    """Nothing is recorded, and billing's worker has emptied its queue."""
    return facts.recorded() == 0 and broker.hands_are_empty("billing", "users")


STEPS = {
    "commit-first": Act(commit_first, Kind.BREAK),
    "send-first": Act(send_first, Kind.BREAK),
    "outbox": Act(outbox),
    "kill-relay": Act(kill_relay, Kind.BREAK),
    "package": Act(package, Kind.BREAK),
    "mend": Act(mend, Kind.MEND),
}

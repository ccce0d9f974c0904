"""Chapter 12: the four questions from the beginning, each answered by a run."""

from typing import Any
from uuid import UUID

from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser
from messaging.events.text import plural
from messaging.models import Consumer
from users.models import User
from users.services import user_suspend
from walkthrough.control import broker, reset
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

SILENT = 5
#: Each step, the chapter that shows it, and how to undo it.
ROUTE = (
    ("Draw the line in the code", "1", "revert the commit"),
    ("Count versions with a trigger", "7", "remove @track, then drop the trigger"),
    ("Record events: outbox and relay", "3", "stop recording; the relay sends the rest"),
    ("Keep a copy that decides nothing", "4, 5", "revoke the consumer, then delete the copy"),
    ("Compare: fingerprints, shadow reads", "6", "turn shadow reads off"),
    ("Decide by the copy", "6", "cutover billing --to monolith"),
    ("Move the authority's own rows", "6", "flip back, until you retire the old tables"),
    ("Move out", "11", "run both in one process again"),
)


def starts(stage: Stage) -> None:
    reset.reset(copied=False)
    stage.check("Users has its rows, but no events", facts.recorded() == 0, f"{plural(facts.recorded(), 'event')} recorded")
    stage.check("Billing's copy is empty", copies() == 0, plural(copies(), "row"))


def seed(stage: Stage) -> None:
    ran = stage.manage("bootstrap", "billing", "--from", "users")
    stage.check("The authority's feed fills the copy, and fingerprints prove it equal", ran.code == 0, plural(copies(), "row"))
    stage.check("It is equal row by row, too", facts.agree(), facts.in_words())
    stage.check("No history was needed: there is still no event", facts.recorded() == 0, plural(facts.recorded(), "event"))
    stage.check(
        "Nobody had to know users' tables: billing reads two fields",
        fields() == ["status", "status_since"],
        ", ".join(fields()),
    )


def silence(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(SILENT)]
    before = facts.recorded()
    stage.faults.switch("publisher_bug", True)
    try:
        for user_id in chosen:
            user_suspend(user_id=user_id, reason="in the silence")
    finally:
        stage.faults.switch("publisher_bug", False)
    originals = stage.faults.suppressed()
    stage.check(
        "Five users changed without an event",
        facts.recorded() == before,
        f"{plural(facts.recorded() - before, 'event')} recorded",
    )
    stage.eventually("Billing pulls the changes by itself", facts.agree, facts.in_words)
    found = facts.incidents(kind="silent").first()
    listed = set(found.subjects) if found else set()
    stage.check("It knows which changes came without an event", listed == set(map(str, chosen)), found or "no incident")
    again = stage.manage("republish", "users")
    number = facts.recorded() - before
    stage.check(
        "`republish` sends them to consumers that only read events",
        again.code == 0 and number == SILENT,
        f"{plural(number, 'event')} recorded",
    )
    _arrive_late(stage, originals)
    compared = stage.manage("reconcile", "billing", "--from", "users")
    stage.check("Fingerprints are still equal", compared.code == 0, f"exit code {compared.code}")


def _arrive_late(stage: Stage, originals: list[dict[str, Any]]) -> None:
    stage.wait(lambda: facts.unsent() == 0 and broker.hands_are_empty("billing", "users"))  # republished events are counted, too
    before = facts.counts()
    counted = lambda: {name: value - before[name] for name, value in facts.counts().items()}  # noqa: E731
    broker.send("billing", "users", originals)
    stage.say(f"Then the {plural(len(originals), 'original event')} arrive.")
    stage.eventually(
        "They are obsolete and change nothing",
        lambda: counted() == {"applied": 0, "duplicate": 0, "obsolete": SILENT},
        lambda: ", ".join(f"{value} {name}" for name, value in counted().items()),
    )


def without_stream(stage: Stage) -> None:
    number = User.objects.using("users").count()
    Published.objects.using("users").all()._raw_delete("users")
    Received.objects.using("billing").all()._raw_delete("billing")
    broker.empty()
    CachedUser.objects.using("billing").all()._raw_delete("billing")
    stage.say("Outbox, queue, inbox and billing's copy are empty now. Nothing is left of any event.")
    stage.check("Billing knows no user", copies() == 0, plural(copies(), "row"))
    repaired = stage.quietly("reconcile", "billing", "--from", "users", "--repair")
    whole = repaired.code == 0 and copies() == number
    stage.check("`reconcile billing --from users --repair` restores the copy from the rows", whole, repaired.last)
    stage.check("Copy and authority are equal", facts.agree(), facts.in_words())


def without_row(stage: Stage) -> None:
    lost = facts.active(1)[0]
    lost_id, name = lost.pk, lost.name
    User.objects.using("users").filter(pk=lost_id).delete()
    events = Published.objects.using("users").filter(body__subject=str(lost_id)).count()
    stage.check(f"{name}'s row is deleted by hand, without an event", events == 0, plural(events, "event"))
    stage.eventually(
        "Billing follows the authority, which has no such user now",
        lambda: status(lost_id) == "erased",
        lambda: status(lost_id),
    )
    personal = {"name", "email"} & {field.name for field in CachedUser._meta.get_fields()}
    stage.check("The copy can't restore the name: it never had it", not personal, f"billing keeps {', '.join(fields())}")
    stage.say(
        "So back up the authority's database. If this row is inserted again with its id, it lives again in every copy. An "
        "erased user doesn't."
    )


def there_and_back(stage: Stage) -> None:
    asking = stage.manage("cutover", "billing", "--to", "api")
    run = stage.quietly("generate_invoices", "--period", facts.month(1), "--json")
    stage.check(
        "Billing invoices by the API, as before it had a copy",
        asking.code == run.code == 0 and run.json["source"] == "api" and run.json["calls"] > 0,
        f"{run.json['issued']} issued, {plural(run.json['calls'], 'call')}",
    )
    shadow = stage.manage("cutover", "billing", "--to", "shadow")
    run = stage.quietly("generate_invoices", "--period", facts.month(2), "--json")
    stage.check(
        "In shadow the API decides, and the copy is compared with each answer",
        shadow.code == run.code == 0,
        plural(run.json["calls"], "call"),
    )
    back = stage.manage("cutover", "billing", "--to", "cache", "--shadow-reads", "10")
    stage.check("The gate lets billing back onto its copy", back.code == 0, f"exit code {back.code}")
    stage.rows("All steps", ("step", "chapter", "how to undo it"), ROUTE)


def copies() -> int:
    return CachedUser.objects.using("billing").count()


def fields() -> list[str]:
    """The fields that billing is registered for."""
    return list(Consumer.objects.using("users").get(pk="billing").fields)


def status(user_id: UUID) -> str:
    return str(CachedUser.objects.using("billing").values_list("status", flat=True).get(pk=user_id))


STEPS = {
    "seed": Act(seed),
    "silence": Act(silence, Kind.BREAK),
    "stream": Act(without_stream, Kind.BREAK),
    "row": Act(without_row, Kind.BREAK),
    "way": Act(there_and_back, Kind.MEND),
}

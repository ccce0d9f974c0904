"""Chapter 12: the four questions, each answered by the running system."""

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
    ("Count versions with a trigger", "7", "remove the feed, then untrack"),
    ("Record events: outbox and relay", "3", "stop recording; the relay sends the rest"),
    ("Keep a copy that no decision uses", "4, 5", "revoke the consumer, then delete the copy"),
    ("Compare: fingerprints, shadow reads", "6", "turn shadow reads off"),
    ("Decide from the copy", "6", "cutover billing --to monolith"),
    ("Move the authority's own rows", "6", "before --retire: split users --back"),
    ("Move out", "11", "run both in one process again"),
)


def starts(stage: Stage) -> None:
    reset.reset(copied=False)
    stage.start(reset.SYNC)
    stage.check("The users context has rows, but no events", facts.recorded() == 0, f"{plural(facts.recorded(), 'event')} recorded")
    stage.check("Billing's copy is empty", copies() == 0, plural(copies(), "row"))


def seed(stage: Stage) -> None:
    ran = stage.manage("bootstrap", "billing", "--from", "users")
    stage.check("The authority's feed fills the copy", ran.code == 0, plural(copies(), "row"))
    stage.check("It is equal row by row, too", facts.agree(), facts.in_words())
    stage.check("No history was needed", facts.recorded() == 0, plural(facts.recorded(), "event"))
    stage.check(
        "Billing needs two fields, and no table of the users context",
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
    stage.fault(
        "Five users changed without an event",
        facts.recorded() == before,
        f"{plural(facts.recorded() - before, 'event')} recorded",
    )
    pulled = stage.eventually("The sync process pulls the changes", facts.agree, facts.in_words)
    found = facts.incidents(kind="silent").first()
    listed = set(found.subjects) if found else set()
    stage.check("An incident names each of these users", listed == set(map(str, chosen)), found or "no incident")
    again = stage.quietly("republish", "users")
    number = facts.recorded() - before
    stage.check(
        "`republish users` records one event for each",
        again.code == 0 and number == SILENT,
        f"{plural(number, 'event')} recorded",
    )
    _arrive_late(stage, originals)
    stage.outcome(nobody=pulled, users=not pulled and facts.agree(), billing=not pulled and not facts.agree())
    compared = stage.quietly("reconcile", "billing", "--from", "users")
    stage.check("`reconcile` finds no difference", compared.code == 0)


def _arrive_late(stage: Stage, originals: list[dict[str, Any]]) -> None:
    # republished events are counted, too
    stage.wait("Waits until the relay has sent every event, and billing's worker has taken them", _all_taken)
    before = facts.counts()
    counted = lambda: {name: value - before[name] for name, value in facts.counts().items()}  # noqa: E731
    broker.send("billing", "users", originals)

    stage.eventually(
        f"The {plural(len(originals), 'original event')} arrive late and change nothing",
        lambda: counted() == {"applied": 0, "duplicate": 0, "obsolete": SILENT},
        lambda: ", ".join(f"{value} {name}" for name, value in counted().items()),
    )


def without_stream(stage: Stage) -> None:
    number = User.objects.using("users").count()
    Published.objects.using("users").all()._raw_delete("users")
    Received.objects.using("billing").all()._raw_delete("billing")
    broker.empty()
    CachedUser.objects.using("billing").all()._raw_delete("billing")
    stage.check("No event and no row of the copy is left", facts.recorded() == copies() == 0)
    repaired = stage.quietly("reconcile", "billing", "--from", "users", "--repair")
    whole = repaired.code == 0 and copies() == number
    stage.check("`reconcile billing --from users --repair` restores the copy from the rows", whole, repaired.last)
    stage.check("Copy and authority are equal", facts.agree(), facts.in_words())
    stage.outcome(all=whole and facts.agree(), later=0 < copies() < number, nothing=copies() == 0)


def without_row(stage: Stage) -> None:
    lost = facts.active(1)[0]
    lost_id, name = lost.pk, lost.name
    User.objects.using("users").filter(pk=lost_id).delete()
    events = Published.objects.using("users").filter(body__subject=str(lost_id)).count()
    stage.fault(f"{name}'s row was deleted without an event", events == 0, plural(events, "event"))
    stage.eventually(
        "Billing's copy keeps only the id (a tombstone)",
        lambda: tombstone(lost_id) == ("erased", True),
        lambda: f"deleted: {tombstone(lost_id)[1]}",
    )
    status, deleted = tombstone(lost_id)
    stage.outcome(all=status not in ("", "erased"), id=deleted and status == "erased", nothing=not status)
    personal = {"name", "email"} & {field.name for field in CachedUser._meta.get_fields()}
    stage.fault(
        "The copy can't restore the name, because billing never had it", not personal, f"billing keeps {', '.join(fields())}"
    )
    stage.say(
        "So back up the authority's database. If somebody inserts a row with this id, every copy shows it again. A user "
        "who was erased by the service stays erased."
    )


def there_and_back(stage: Stage) -> None:
    asking = stage.quietly("cutover", "billing", "--to", "api")
    run = stage.quietly("generate_invoices", "--period", facts.month(1), "--json")
    stage.check(
        "`cutover billing --to api`: billing asks the API about each user",
        asking.code == run.code == 0 and run.json["source"] == "api" and run.json["calls"] > 0,
        f"{run.json['issued']} issued, {plural(run.json['calls'], 'call')}",
    )
    shadow = stage.quietly("cutover", "billing", "--to", "shadow")
    run = stage.quietly("generate_invoices", "--period", facts.month(2), "--json")
    stage.check(
        "`--to shadow`: the API decides, and the copy is compared with each answer",
        shadow.code == run.code == 0,
        plural(run.json["calls"], "call"),
    )
    back = stage.quietly("cutover", "billing", "--to", "cache", "--shadow-reads", "10")
    stage.check("`--to cache`: the gate allows billing to use its copy again", back.code == 0)
    stage.rows("All steps", ("step", "chapter", "undo"), ROUTE)


def _all_taken() -> bool:
    return facts.unsent() == 0 and broker.hands_are_empty("billing", "users")


def copies() -> int:
    return CachedUser.objects.using("billing").count()


def fields() -> list[str]:
    """The fields that billing is registered for."""
    return list(Consumer.objects.using("users").get(name="billing").fields)


def tombstone(user_id: UUID) -> tuple[str, bool]:
    """The status of billing's row, empty without one, and True if the authority's row was deleted but not erased."""
    return CachedUser.objects.using("billing").filter(pk=user_id).values_list("status", "deleted").first() or ("", False)


STEPS = {
    "seed": Act(seed),
    "silence": Act(silence, Kind.BREAK),
    "stream": Act(without_stream, Kind.BREAK),
    "row": Act(without_row, Kind.BREAK),
    "way": Act(there_and_back, Kind.MEND),
}

"""Chapter 10: the contract changes while old and new versions of publisher and consumer run together."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.core.management import call_command
from django_outbox_pattern.models import Published

from billing.models import CachedUser
from config.env import ROOT
from messaging.consumer import parked
from messaging.events import contract
from messaging.events.ids import uuid7
from messaging.models import Consumer
from messaging.settings import Alias
from users.services import user_suspend
from walkthrough.control import broker, project_copy, reset
from walkthrough.observe import facts
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

SUSPENDED = "users.user.suspended"


class Edit(NamedTuple):
    """A change in a newer version of the project: in this file, `old` becomes `new`."""

    path: str
    old: str
    new: str


#: A new field, with a default. Only this event has it.
NEW_FIELD = (
    Edit(
        "users/events.py",
        '"""A user was suspended, and must not be billed."""',
        '"""A user was suspended, and must not be billed."""\n\n'
        '    until: datetime | None = Field(default=None, description="When it ends by itself; empty: by hand.")',
    ),
)
#: A field gets another name, in the same version of the type.
RENAMED = (
    Edit("users/events.py", "    status_since: datetime", "    since: datetime"),
    Edit("users/services.py", "status_since=user.status_since,", "since=user.status_since,"),
)
#: The same rename as a new version of one type. Each suspension is recorded in both versions.
NEWER_USERS = (
    Edit(
        "users/events.py",
        '    """A user was suspended, and must not be billed."""\n',
        '    """A user was suspended, and must not be billed."""\n\n\n'
        'class UserSuspendedV2(DomainEvent, wire="users.user.suspended.v2"):\n'
        '    """It renames `status_since`."""\n\n'
        '    status: Literal["active", "suspended", "erased"] = Field(description="What the user may do now.")\n'
        '    since: datetime = Field(description="When the status became what it is.")\n',
    ),
    Edit(
        "users/services.py",
        "    record(event, subject=user.pk, using=DATABASE)\n",
        "    record(event, subject=user.pk, using=DATABASE)\n"
        "    if kind is events.UserSuspended:\n"
        '        newer = events.UserSuspendedV2(status="suspended", since=user.status_since)\n'
        "        record(newer, subject=user.pk, using=DATABASE)\n",
    ),
)
#: Billing knows version 2 and upcasts version 1, from events and from the feed, which still has the old names.
NEWER_BILLING = (
    Edit("billing/caches.py", "event.data.status_since", "event.data.since"),
    Edit(
        "billing/caches.py",
        "def apply_users(",
        "class UserFactsV2(BaseModel):\n"
        '    status: Literal["active", "suspended", "erased"]\n'
        "    since: Moment\n\n\n"
        "def to_v2(old: UserFacts) -> UserFactsV2:\n"
        "    return UserFactsV2(status=old.status, since=old.status_since)\n\n\n"
        "def apply_users(",
    ),
    Edit("billing/caches.py", "reads=UserFacts,", "reads=UserFacts, upcast=to_v2,"),
    Edit("billing/handlers.py", "import UserFacts, apply_users", "import UserFacts, UserFactsV2, apply_users, to_v2"),
    Edit("billing/handlers.py", "reads=UserFacts,", "reads=UserFacts, upcast=to_v2,"),
    Edit(
        "billing/handlers.py",
        "HANDLERS = {\n",
        'HANDLERS = {\n    "users.user.suspended.v2": Handler(reads=UserFactsV2, apply=apply_user_changes),\n',
    ),
)


@contextmanager
def version(stage: Stage, name: str, *edits: Edit, shown: bool = True) -> Iterator[Path]:
    """A copy of the project with these edits; the reader sees its new lines, unless `shown` is false."""
    with project_copy.copied(name) as project:
        for edit in edits:
            project_copy.edit(project, edit.path, edit.old, edit.new)
        if shown:
            lines = [(edit.path, line) for edit in edits for line in _new_lines(edit)]
            stage.rows(f"New lines in {name}", ("file", "line"), lines)
        yield project


def _new_lines(edit: Edit) -> list[str]:
    before = edit.old.splitlines()
    return [line for line in edit.new.splitlines() if line.strip() and line not in before]


def suspend_by(stage: Stage, project: Path, chosen: Sequence[UUID]) -> list[dict[str, Any]]:
    """Run the copy's `user_suspend` in its own process; returns the events that it recorded, in order."""
    before = set(_recorded(chosen).values_list("pk", flat=True))
    ids = ", ".join(f"'{user_id}'" for user_id in chosen)
    code = f"from users.services import user_suspend\nfor user in [{ids}]: user_suspend(user_id=user, reason='chapter 10')"
    ran = stage.quietly("shell", "-c", code, project=project)
    if ran.code:
        raise RuntimeError(f"The newer publisher failed: {ran.last}")
    return [row.body for row in _recorded(chosen).order_by("added") if row.pk not in before]


def _recorded(chosen: Sequence[UUID]) -> Any:
    rows = Published.objects.using("users").filter(destination__startswith=SUSPENDED)
    return rows.filter(body__subject__in=[str(user_id) for user_id in chosen])


def by_event(chosen: Sequence[UUID]) -> int:
    """Count these users whose suspension reached billing as an event."""
    return CachedUser.objects.using("billing").filter(pk__in=chosen, status="suspended", source="event").count()


def types_of_billing() -> list[str]:
    """The versions of the suspension that billing is registered for."""
    types = Consumer.objects.using("users").get(name="billing").types
    return [wire for wire in types if wire.startswith(SUSPENDED)]


def suspend_here(chosen: Sequence[UUID]) -> None:
    for user_id in chosen:
        user_suspend(user_id=user_id, reason="chapter 10")


def starts(stage: Stage) -> None:
    reset.reset()
    stage.check("Billing has an equal copy of every user", facts.agree(), facts.in_words())
    found = contract.stale("users", ROOT / "users" / "contracts")
    stage.check("The committed contracts match the code", not found, ", ".join(found))


def new_field(stage: Stage) -> None:
    with version(stage, "newer-users", *NEW_FIELD) as newer:
        asked = stage.manage("write_contracts", "users", "--check", project=newer)
        compatible = "Compatible changes: users.user.suspended.v1, until: new, with a default." in " ".join(asked.output.split())
        stage.check("The check finds the change and calls it compatible", asked.code == 1 and compatible)
        written = stage.quietly("write_contracts", "users", project=newer)
        stage.check("`write_contracts` writes the new schema", written.code == 0, f"exit code {written.code}")
        chosen = [user.pk for user in facts.active(2)]
        events = suspend_by(stage, newer, chosen)
    with_it = [event for event in events if "until" in event["data"]]
    stage.check("The new publisher's events have the field", len(with_it) == 2, f"{len(with_it)} of {len(events)}")
    stage.eventually("The old billing applies them", lambda: by_event(chosen) == 2, lambda: f"{by_event(chosen)} of 2 by event")
    before = facts.counts()["obsolete"]
    broker.send("billing", "users", [{**event, "id": str(uuid7())} for event in with_it])
    stage.say(
        "Billing isn't registered for the new field, so the relay didn't send it. Now billing gets the complete events. A tolerant "
        "reader ignores unknown fields."
    )
    stage.eventually(
        "Billing can read the complete events, too",
        lambda: facts.counts()["obsolete"] == before + 2,
        lambda: f"{facts.counts()['obsolete'] - before} obsolete, {facts.parked().count()} parked",
    )
    stage.check("Nothing is parked, and the copy is equal", not facts.parked().exists() and facts.agree(), facts.in_words())


def rename(stage: Stage) -> None:
    with version(stage, "renaming-users", *RENAMED) as newer:
        asked = stage.quietly("write_contracts", "users", "--check", project=newer)
        stage.check("The build fails", asked.code == 1, f"exit code {asked.code}")
        named = re.search(r"status_since: removed\..*?renamed to since\?", " ".join(asked.output.split()))
        stage.check("It names the field and the rule", bool(named), named[0] if named else asked.last)
        written = stage.quietly("write_contracts", "users", project=newer)
        stage.check("`write_contracts` refuses to overwrite the old schema", written.code == 3, f"exit code {written.code}")
        second = (newer / "users" / "contracts" / f"{SUSPENDED}.v2.json").exists()
        stage.outcome(same=written.code == 0 and not second, version=second, refuses=written.code != 0 and not second)


def ship(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(2)]
    with version(stage, "renaming-users", *RENAMED, shown=False) as newer:
        suspend_by(stage, newer, chosen)
    number = lambda: facts.parked().count()  # noqa: E731
    stage.eventually(
        "Billing can't read these events and parks them", lambda: number() == 2, lambda: f"{number()} parked", fault=True
    )
    first = facts.parked().first()
    reason = first.reason if first else "nothing is parked"
    stage.check("The reason names the missing field", "status_since" in reason, reason)
    equal = stage.eventually("No fact is lost: the feed brings both changes", facts.agree, facts.in_words)
    stage.outcome(event=by_event(chosen) > 0, feed=equal and by_event(chosen) == 0, never=not equal and by_event(chosen) == 0)
    for row in facts.parked():
        parked.discard(Alias("billing"), row.pk, by="chapter 10", note="the field that was renamed in place")
    stage.check("So both messages can be discarded", number() == 0, f"{number()} parked")


def publisher(stage: Stage) -> None:
    chosen = [user.pk for user in facts.active(3)]
    with version(stage, "newer-users", *NEWER_USERS) as newer:
        asked = stage.quietly("write_contracts", "users", "--check", project=newer)
        stage.check(
            "The check calls the new type compatible",
            "suspended.v2: new type" in asked.output,
            f"exit code {asked.code} until the file is written",
        )
        events = suspend_by(stage, newer, chosen)
    types = [event["type"] for event in events]
    both = [types.count(f"{SUSPENDED}.v{number}") for number in (1, 2)]
    stage.check("Each change is recorded in both versions", both == [3, 3], f"{both[0]} × v1, {both[1]} × v2")
    stage.check(
        "Billing is registered for version 1 only", types_of_billing() == [f"{SUSPENDED}.v1"], ", ".join(types_of_billing())
    )
    stage.eventually(
        "The old billing applies version 1",
        lambda: by_event(chosen) == 3,
        lambda: f"{by_event(chosen)} of 3 by event",
    )
    stage.check(
        "Version 2 wasn't sent to billing: nothing is parked", not facts.parked().exists(), f"{facts.parked().count()} parked"
    )


def consumer(stage: Stage) -> None:
    old, new = [[user.pk for user in chosen] for chosen in (facts.active(6)[:3], facts.active(6)[3:])]
    with version(stage, "newer", *NEWER_BILLING, shown=False) as newer, project_copy.copied("newer-users") as publishing:
        for edit in NEWER_USERS:
            for project in (newer, publishing):
                project_copy.edit(project, edit.path, edit.old, edit.new)
        stage.stop("worker-billing")
        try:
            with project_copy.worker(newer, "billing"):
                stage.quietly("consumers", "register", "billing", "--to", "users", project=newer)
                stage.check(
                    "The new billing is registered for both versions", len(types_of_billing()) == 2, ", ".join(types_of_billing())
                )
                took = stage.wait(
                    "Waits until the new worker has emptied billing's queue", lambda: broker.hands_are_empty("billing", "users")
                )
                stage.check("It takes the old billing's place at the queue", took)
                before = facts.counts()
                suspend_here(old)
                suspend_by(stage, publishing, new)
                _both_arrive(stage, old, new, before)
        finally:
            # First the register: a worker doesn't start while it is sent a type that it has no handler for.
            call_command("consumers", "register", "billing", "--to", "users", stdout=io.StringIO())
            stage.start("worker-billing")
    stage.check("Nothing is parked, and the copy is equal", not facts.parked().exists() and facts.agree(), facts.in_words())
    stage.check(
        "After the rollback, the old billing runs again, registered for version 1", types_of_billing() == [f"{SUSPENDED}.v1"]
    )


def _both_arrive(stage: Stage, old: Sequence[UUID], new: Sequence[UUID], before: dict[str, int]) -> None:
    counted = lambda: {name: value - before[name] for name, value in facts.counts().items()}  # noqa: E731
    seen = lambda: ", ".join(f"{value} {name}" for name, value in counted().items())  # noqa: E731
    stage.eventually(
        "The old publisher's version 1 is upcast and applied", lambda: by_event(old) == 3, lambda: f"{by_event(old)} of 3 by event"
    )
    stage.eventually(
        "The new publisher's changes are applied", lambda: by_event(new) == 3, lambda: f"{by_event(new)} of 3 by event"
    )
    stage.wait("Waits until all nine events have arrived", lambda: sum(counted().values()) >= 9)
    once = counted()["applied"] == 6 and counted()["obsolete"] == 3
    stage.check("Nine events for six changes: each change is applied once", once, seen())


STEPS = {
    "new-field": Act(new_field),
    "rename": Act(rename, Kind.BREAK),
    "ship": Act(ship, Kind.BREAK),
    "publisher": Act(publisher, Kind.MEND),
    "consumer": Act(consumer, Kind.MEND),
}

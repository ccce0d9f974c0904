"""Are change and event one commit?"""

from typing import Any

from django.db import transaction

from messaging.models import Ledger
from messaging.testing import recorded
from walkthrough.exercises.probing import lacks_unless, mine, probe, refusing
from walkthrough.exercises.shop.users.models import User

services = mine("services")
OUTBOX = "published"


def user(status: str = "active") -> User:
    return User.objects.create(email="ada@example.org", status=status)


def kinds() -> list[str]:
    """The recorded events, as `suspended`."""
    return [event["type"].split(".")[2] for event in recorded("users")]


def now(row: User) -> Any:
    row.refresh_from_db()
    return row


@probe("A suspension records one event, with the state after it")
def suspension() -> None:
    row = user()
    services.user_suspend(user_id=row.pk)
    lacks_unless(now(row).status == "suspended", "user_suspend doesn't suspend the user.")
    lacks_unless(kinds() == ["suspended"], f"user_suspend recorded {kinds() or 'nothing'}. One event `suspended` is right.")
    said = recorded("users")[0]["data"]["status"]
    lacks_unless(said == "suspended", f"The event says that the user is {said}. Record it after the row is changed.")


@probe("If the event can't be recorded, the user isn't suspended")
def suspension_is_one_commit() -> None:
    row = user()
    with refusing(OUTBOX, "users"):
        services.user_suspend(user_id=row.pk)
    lacks_unless(
        now(row).status == "active",
        "The outbox refused the event, and the user is suspended. The row was committed before the event was recorded.",
    )


@probe("A change of plan records one event, with the new plan")
def plan() -> None:
    row = user()
    services.user_change_plan(user_id=row.pk, plan="pro")
    lacks_unless(now(row).plan == "pro", "user_change_plan doesn't change the plan.")
    lacks_unless(
        kinds() == ["plan_changed"], f"user_change_plan recorded {kinds() or 'nothing'}. One event `plan_changed` is right."
    )
    said = recorded("users")[0]["data"]["plan"]
    lacks_unless(said == "pro", f"The event says that the plan is {said}. Record it after the row is changed.")


@probe("If the event can't be recorded, the plan stays")
def plan_is_one_commit() -> None:
    row = user()
    with refusing(OUTBOX, "users"):
        services.user_change_plan(user_id=row.pk, plan="pro")
    lacks_unless(
        now(row).plan == "basic", "The outbox refused the event, or was never asked, and the plan is changed all the same."
    )


@probe("Suspending many users records an event for each that was active")
def many() -> None:
    rows = [user(), user(), user("suspended")]
    found = services.users_suspend(user_ids=[row.pk for row in rows])
    states = [now(row).status for row in rows]
    lacks_unless(states == ["suspended"] * 3, f"After users_suspend the users are {', '.join(states)}.")
    lacks_unless(found == 2, f"users_suspend returned {found}. Two of these three users were active.")
    told = {event["subject"] for event in recorded("users")}
    lacks_unless(str(rows[2].pk) not in told, "An event was recorded for a user who was suspended already.")
    lacks_unless(kinds() == ["suspended"] * 2, f"users_suspend recorded {kinds() or 'nothing'} for two users who were active.")


@probe("If these events can't be recorded, nobody is suspended")
def many_are_one_commit() -> None:
    rows = [user(), user()]
    with refusing(OUTBOX, "users"):
        services.users_suspend(user_ids=[row.pk for row in rows])
    left = sum(now(row).status == "active" for row in rows)
    lacks_unless(left == 2, f"The outbox refused the events, or was never asked, and {2 - left} of 2 users are suspended.")


@probe("A caller that rolls back takes the events back, too")
def rolled_back() -> None:
    row = user()
    with transaction.atomic(using="users"):
        services.user_suspend(user_id=row.pk)
        services.user_change_plan(user_id=row.pk, plan="pro")
        transaction.set_rollback(True, using="users")
    lacks_unless(now(row).status == "active" and not kinds(), f"After a rollback, {kinds()} is recorded.")


@probe("The ledger finds no change without an event")
def ledger() -> None:
    one, two = user(), user()
    services.user_suspend(user_id=one.pk)
    services.user_change_plan(user_id=one.pk, plan="pro")
    services.users_suspend(user_ids=[two.pk])
    silent = [row for row in Ledger.objects.using("users") if row.version > row.announced_version]
    lacks_unless(not silent, f"The last change of {len(silent)} of 2 users has no event, as `manage.py republish users` would say.")

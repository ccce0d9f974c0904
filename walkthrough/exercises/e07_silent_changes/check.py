"""Are all silent changes found, and only these?"""

from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging.events.text import plural
from messaging.models import Ledger
from walkthrough.exercises.probing import lacks_unless, manage, mine, probe
from walkthrough.exercises.shop.users.models import User
from walkthrough.exercises.shop.users.services import user_change_plan, user_register, user_suspend

silent = mine("silent")


def found() -> list[tuple[str, int]]:
    return [(str(row.user_id), row.changes) for row in silent.silent_changes()]


def told(number: int = 1) -> list[User]:
    """Users whose changes all have an event."""
    return [user_register(email=f"user{at}@example.org") for at in range(number)]


@probe("Changes with an event aren't found")
def nothing() -> None:
    (user,) = told()
    user_suspend(user_id=user.pk)
    lacks_unless(found() == [], f"Each change has an event, and silent_changes found {len(found())}.")


@probe("A change by `update()` is found, also of a user with earlier events")
def update() -> None:
    one, _ = told(2)
    User.objects.filter(pk=one.pk).update(status="suspended")
    lacks_unless(found() == [(str(one.pk), 1)], f"One of two users was changed by update(), and silent_changes returned {found()}.")


@probe("A change by SQL and a deletion are found")
def sql() -> None:
    one, two = told(2)
    with connections["users"].cursor() as cursor:
        cursor.execute("UPDATE users_user SET plan = 'pro' WHERE id = %s", [one.pk.hex])
    User.objects.filter(pk=two.pk).delete()
    names = {user_id for user_id, _ in found()}
    lacks_unless(str(one.pk) in names, "A user changed by SQL isn't found.")
    lacks_unless(str(two.pk) in names, "A deleted user isn't found. The row has gone, and the ledger still has it.")


@probe("It counts the changes since the last event, the most first")
def counts() -> None:
    one, two, three = told(3)
    for plan in ("pro", "max"):
        User.objects.filter(pk=two.pk).update(plan=plan)
    User.objects.filter(pk=one.pk).update(plan="pro")
    User.objects.filter(pk=three.pk).update(plan="pro")
    wanted = [(str(two.pk), 2), *sorted((str(user.pk), 1) for user in (one, three))]
    lacks_unless(len(found()) == 3, f"Three users were changed, and silent_changes returned {len(found())}.")
    lacks_unless([changes for _, changes in found()] == [2, 1, 1], f"Two, one and one changes, and it says {found()}.")
    lacks_unless(found() == wanted, "With equal numbers, the smaller id comes first.")


@probe("A later event tells all changes before it")
def later() -> None:
    (user,) = told()
    User.objects.filter(pk=user.pk).update(status="suspended")
    user_change_plan(user_id=user.pk, plan="pro")
    lacks_unless(found() == [], f"The last change has an event with the whole state, and silent_changes found {found()}.")


@probe("Purged events don't matter")
def purged() -> None:
    told()
    Published.objects.using("users").all().delete()
    lacks_unless(found() == [], "The events were sent and purged long ago, and silent_changes finds their users.")


@probe("Other models aren't found")
def others() -> None:
    Ledger.objects.using("users").create(
        aggregate="users.team", aggregate_id="1", version=5, announced_version=0, changed_at=timezone.now()
    )
    lacks_unless(found() == [], f"Only a team has changed, and silent_changes returned {found()}.")


@probe("It is one query, however many users there are")
def one_query() -> None:
    for user in told(5):
        User.objects.filter(pk=user.pk).update(plan="pro")
    with CaptureQueriesContext(connections["users"]) as captured:
        number = len(silent.silent_changes())
    lacks_unless(number == 5, f"Five users were changed, and silent_changes returned {number}.")
    lacks_unless(len(captured) == 1, f"It sent {plural(len(captured), 'query', 'queries')}.")


@probe("`republish` records what it finds, and then it finds nothing")
def republished() -> None:
    (user,) = told()
    User.objects.filter(pk=user.pk).update(plan="pro")
    lacks_unless(len(found()) == 1, "A changed user isn't found.")
    manage("republish", "users")
    lacks_unless(found() == [], "`republish` recorded the event, and silent_changes still finds the user.")

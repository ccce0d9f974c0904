"""Does billing's copy follow the plan: by events, by the feed, and in a comparison?"""

from messaging.replica import Replica, compare
from messaging.testing import deliver, deliver_event
from walkthrough.exercises.probing import lacks_unless, manage, mine, new_id, probe, register_and_bootstrap
from walkthrough.exercises.shop.billing.models import CachedUser
from walkthrough.exercises.shop.users.services import user_change_plan, user_register, user_suspend

mine("handlers")
SINCE = "2026-11-01T12:00:00Z"


def plan_of(user_id: object) -> str:
    found = CachedUser.objects.filter(pk=user_id).values_list("plan", flat=True).first()
    return "no row" if found is None else found or "empty"


def drift() -> int:
    return compare.compare(Replica.of("billing", "users")).differing


@probe("An event's plan gets into the copy")
def event() -> None:
    user = user_register(email="ada@example.org", plan="pro")
    deliver()
    lacks_unless(plan_of(user.pk) == "pro", f"A user registered with the plan pro. In the copy the plan is {plan_of(user.pk)}.")


@probe("Billing reacts to a change of the plan")
def changed() -> None:
    user = user_register(email="ada@example.org")
    deliver()
    user_change_plan(user_id=user.pk, plan="pro")
    came = deliver()
    lacks_unless(came, "Billing wasn't sent `users.user.plan_changed.v1`, because HANDLERS doesn't list it.")
    lacks_unless(plan_of(user.pk) == "pro", f"The event was delivered, and the plan in the copy is {plan_of(user.pk)}.")


@probe("A late event doesn't bring an old plan back")
def late() -> None:
    user_id = new_id()
    for version, plan in ((3, "pro"), (2, "basic")):
        data = {"status": "active", "status_since": SINCE, "plan": plan}
        deliver_event("billing", "users.user.registered.v1", data, subject=user_id, version=version)
    row = CachedUser.objects.get(pk=user_id)
    lacks_unless(row.version == 3, f"Version 2 came after version 3, and the copy has version {row.version}. Keep `upsert_newer`.")
    lacks_unless(row.plan == "pro", f"Version 3 has the plan pro; after the late version 2 the copy says {plan_of(user_id)}.")


@probe("The other fields are still followed")
def others() -> None:
    user = user_register(email="ada@example.org")
    user_suspend(user_id=user.pk)
    deliver()
    row = CachedUser.objects.filter(pk=user.pk).first()
    lacks_unless(row, "The copy has no row for a user who registered and was suspended.")
    lacks_unless(row and row.status == "suspended", f"The user is suspended, and the copy says {row and row.status}.")


@probe("A bootstrap fills the plan of all users")
def bootstrap() -> None:
    user = user_register(email="ada@example.org", plan="pro")
    register_and_bootstrap()
    lacks_unless(plan_of(user.pk) == "pro", f"After a bootstrap from the feed the plan in the copy is {plan_of(user.pk)}.")


@probe("A comparison finds the rows from before the field, and repairs them")
def repair() -> None:
    user = user_register(email="ada@example.org", plan="pro")
    register_and_bootstrap()
    CachedUser.objects.update(plan="")  # as a row that was written before
    lacks_unless(
        drift() == 1, "A row of the copy has an empty plan, and `reconcile` calls the copy equal. Name the field in `Cache.fields`."
    )
    manage("reconcile", "billing", "--from", "users", "--repair")
    lacks_unless(plan_of(user.pk) == "pro", f"After `reconcile --repair` the plan in the copy is {plan_of(user.pk)}.")
    lacks_unless(drift() == 0, "After `reconcile --repair` the copy still differs.")

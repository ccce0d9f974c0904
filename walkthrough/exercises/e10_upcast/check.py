"""Does billing read both versions of an event, and the feed?"""

from typing import Any

from messaging.consumer import Handler
from messaging.testing import Delivery, deliver_event
from walkthrough.exercises.probing import lacks_unless, mine, new_id, probe, register_and_bootstrap
from walkthrough.exercises.shop.billing.models import CachedUser
from walkthrough.exercises.shop.users.services import user_register, user_suspend

handlers, caches = mine("handlers"), mine("caches")
SINCE = "2026-11-01T12:00:00Z"
OLD, NEW = "users.user.suspended.v1", "users.user.suspended.v2"
REGISTERED = "users.user.registered.v1"
V1 = {"status": "suspended", "status_since": SINCE, "plan": "pro"}
V2 = {"blocked": True, "since": SINCE, "plan": "pro"}


def send(wire: str, data: dict[str, Any], user_id: object, version: int = 1) -> Delivery:
    return deliver_event("billing", wire, data, subject=str(user_id), version=version, may_park=True)


def applied(wire: str, data: dict[str, Any]) -> CachedUser:
    """Deliver an event; returns the row of the copy that it wrote."""
    user_id = new_id()
    came = send(wire, data, user_id)
    lacks_unless(came.outcome != "parked", f"{wire} was parked: {came.error}")
    row = CachedUser.objects.filter(pk=user_id).first()
    lacks_unless(row, f"{wire} was {came.outcome}, and the copy has no row.")
    assert row  # noqa: S101  (for the types)
    return row


@probe("Version 2 of the suspension is applied")
def new_version() -> None:
    row = applied(NEW, V2)
    lacks_unless((row.status, row.plan) == ("suspended", "pro"), f"The copy says {row.status}, {row.plan or 'no plan'}.")


@probe("Version 1 of the suspension is upcast and applied")
def old_version() -> None:
    row = applied(OLD, V1)
    lacks_unless(row.status == "suspended", f"Version 1 says suspended, and the copy says {row.status}.")
    said = f"{row.status_since:%Y-%m-%dT%H:%M:%SZ}"
    lacks_unless(said == SINCE, f"Version 1 says status_since {SINCE}, and the copy says {said}.")
    lacks_unless(row.plan == "pro", f"Version 1 says the plan pro, and the copy says {row.plan or 'nothing'}.")


@probe("The other types of version 1 are applied, and an active user isn't blocked")
def other_types() -> None:
    for wire in (REGISTERED, "users.user.reactivated.v1"):
        row = applied(wire, {**V1, "status": "active"})
        lacks_unless(row.status == "active", f"{wire} says active, and the copy says {row.status}.")


@probe("An event from before the plan counts as basic")
def without_plan() -> None:
    row = applied(OLD, {"status": "suspended", "status_since": SINCE})
    lacks_unless(row.plan == "basic", f"An event of version 1 without a plan gave the plan {row.plan or '(empty)'}.")


@probe("An event without a status is parked")
def invalid() -> None:
    came = send(OLD, {"status_since": SINCE, "plan": "pro"}, new_id())
    lacks_unless(
        came.outcome == "parked", f"An event of version 1 without a status was {came.outcome}. Nobody can know its meaning."
    )
    lacks_unless("status" in came.error, f"It was parked for another reason: {came.error}")


@probe("Both versions of one change change the copy once")
def both() -> None:
    user_id = new_id()
    outcomes = [send(wire, data, user_id, 2).outcome for wire, data in ((NEW, V2), (OLD, V1))]
    lacks_unless(outcomes == ["applied", "obsolete"], f"Version 2 was {outcomes[0]}, then version 1 was {outcomes[1]}.")


@probe("A late event of version 1 doesn't undo a newer one of version 2")
def late() -> None:
    user_id = new_id()
    send(NEW, V2, user_id, 3)
    send(REGISTERED, {**V1, "status": "active"}, user_id, 1)
    row = CachedUser.objects.filter(pk=user_id).first()
    lacks_unless(row and row.status == "suspended", f"After a late event the copy says {row.status if row else 'nothing'}.")


@probe("`apply_users` gets only the newest version")
def one_reader() -> None:
    wired: Handler | None = handlers.HANDLERS.get(OLD)
    lacks_unless(wired, f"HANDLERS has no {OLD}.")
    assert wired  # noqa: S101  (for the types)
    found = type(wired.read(V1))
    lacks_unless(found is caches.UserFactsV2, f"The handler of {OLD} gives `apply` a {found.__name__}. Give it `upcast`.")


@probe("A bootstrap reads the feed, which still has version 1")
def feed() -> None:
    user = user_register(email="ada@example.org", plan="pro")
    user_suspend(user_id=user.pk)
    try:
        register_and_bootstrap()
    except Exception as error:
        lacks_unless(False, f"The bootstrap failed: {error} Give the Cache the reader of version 1 and `upcast`.")
    row = CachedUser.objects.filter(pk=user.pk).first()
    lacks_unless(row and row.status == "suspended", f"After the bootstrap the copy says {row.status if row else 'nothing'}.")

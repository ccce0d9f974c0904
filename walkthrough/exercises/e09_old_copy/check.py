"""What does billing decide on a fresh copy, on an old one, and while nobody answers?"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connections
from django.utils import timezone

from messaging.events.text import plural
from messaging.models import Subscription
from messaging.replica import Policy
from walkthrough.exercises.probing import lacks_unless, mine, probe, register_and_bootstrap
from walkthrough.exercises.shop.billing.models import CachedUser, Invoice
from walkthrough.exercises.shop.users.services import user_register, user_suspend

invoices = mine("invoices")
PERIOD, BOUND = "2026-11", timedelta(minutes=15)


def ready(number: int = 3) -> list[uuid.UUID]:
    """Users with an equal, fresh copy. Returns their ids in the copy's order."""
    for at in range(number):
        user_register(email=f"user{at}@example.org")
    register_and_bootstrap()
    confirmed(minutes=0)
    return sorted(CachedUser.objects.values_list("pk", flat=True))


def confirmed(minutes: int | None, **values: Any) -> None:
    """Set when the copy was last confirmed, in minutes ago; None: never."""
    at = None if minutes is None else timezone.now() - timedelta(minutes=minutes)
    Subscription.objects.using("billing").update(confirmed_at=at, **values)


@contextmanager
def away() -> Iterator[None]:
    """The users context doesn't answer."""
    os.environ["EXERCISE_API_URL"] = "http://127.0.0.1:9"
    try:
        yield
    finally:
        del os.environ["EXERCISE_API_URL"]


def run(policy: Policy, bound: timedelta = BOUND) -> Any:
    return invoices.invoices_generate(period=PERIOD, policy=policy, bound=bound)


def billed() -> set[uuid.UUID]:
    return set(Invoice.objects.values_list("user_id", flat=True))


@probe("A fresh copy decides")
def fresh() -> None:
    ids = ready()
    for policy in Policy:
        Invoice.objects.all().delete()
        done = run(policy)
        lacks_unless(billed() == set(ids), f"With a fresh copy, {policy.value} billed {len(billed())} of 3 users.")
        lacks_unless(not done.reason and not done.held, f"The copy is fresh, and the run says {done.reason or done.held!r}.")
    stale = Invoice.objects.exclude(staleness="").count()
    lacks_unless(not stale, f"The copy was fresh, and {plural(stale, 'invoice says', 'invoices say')} that it was old.")


@probe("HOLD: an old copy issues nothing")
def hold() -> None:
    ready()
    confirmed(minutes=60)
    done = run(Policy.HOLD)
    lacks_unless(
        not billed(),
        f"The copy is an hour old, 15 minutes are accepted, and {plural(len(billed()), 'user was', 'users were')} billed.",
    )
    lacks_unless(done.held == 3, f"Three active users weren't decided on, and Run.held is {done.held}.")
    lacks_unless(done.reason, "Run.reason doesn't say why.")


@probe("HOLD: a copy that gets too old during the run stops it")
def hold_midway() -> None:
    ready(5)

    def age(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = execute(sql, params, many, context)
        if sql.startswith('INSERT INTO "billing_invoice"'):
            confirmed(minutes=60)
        return found

    with connections["billing"].execute_wrapper(age):
        done = run(Policy.HOLD)
    lacks_unless(
        done.issued == 2, f"After the first batch of 2 the copy was too old, and {done.issued} were billed. Ask per batch."
    )
    lacks_unless(done.held == 3, f"Three users were left, and Run.held is {done.held}.")


@probe("A copy that was never confirmed is too old for every bound")
def never() -> None:
    ready()
    confirmed(minutes=None)
    run(Policy.HOLD, timedelta(days=365))
    lacks_unless(not billed(), "Nobody knows the copy's age, and it decided. Let `staleness.doubt` judge it.")


@probe("So is a doubtful copy")
def doubtful() -> None:
    ready()
    confirmed(minutes=0, doubt="users was set back to a backup.", doubtful_since=timezone.now())
    done = run(Policy.HOLD)
    lacks_unless(not billed(), "The authority was set back to a backup, and the copy decided. Let `staleness.doubt` judge it.")
    lacks_unless("set back" in done.reason, f"Run.reason doesn't say that the authority was set back: {done.reason!r}.")


@probe("ASK: it bills by the answers, not by the old copy")
def ask() -> None:
    ids = ready()
    user_suspend(user_id=ids[0])  # billing doesn't hear of it
    confirmed(minutes=60)
    done = run(Policy.ASK)
    lacks_unless(
        ids[0] not in billed(), "A user was suspended after the copy got old, and was billed. Ask, then read the copy again."
    )
    lacks_unless(billed() == set(ids[1:]), f"Two of three users are active, and {len(billed())} were billed.")
    lacks_unless(done.held == 0, f"All users got an answer, and Run.held is {done.held}.")
    lacks_unless(
        not Invoice.objects.exclude(staleness=""), "A user who was just looked up is fresh, and the invoice says otherwise."
    )


@probe("ASK: without an answer it holds")
def ask_in_vain() -> None:
    ready()
    confirmed(minutes=60)
    with away():
        done = run(Policy.ASK)
    lacks_unless(not billed(), f"Nobody answered, and {plural(len(billed()), 'user was', 'users were')} billed.")
    lacks_unless(done.held == 3, f"Three users got no answer, and Run.held is {done.held}.")


@probe("PROCEED: it bills, and each invoice says what was wrong")
def proceed() -> None:
    ready()
    confirmed(minutes=60)
    with away():
        done = run(Policy.PROCEED)
    lacks_unless(len(billed()) == 3, f"The policy is to proceed, and {len(billed())} of 3 users were billed.")
    told = Invoice.objects.filter(staleness__contains="1 hour").count()
    lacks_unless(told == 3, f"{told} of 3 invoices say in `staleness` that the copy was an hour old.")
    lacks_unless("1 hour" in done.reason, f"Run.reason doesn't say how old the copy was: {done.reason!r}.")

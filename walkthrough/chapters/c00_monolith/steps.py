"""Chapter 0: the monolith. It works, and every table depends on the others."""

import time
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, connections
from django.utils import timezone

from messaging.events.text import plural
from monolith import reports, services
from monolith.models import Invoice, User
from monolith.seeding import last_month
from walkthrough.control import reset
from walkthrough.control.table_locks import patience
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

#: Seconds that the migration takes, and that a page waits for a lock.
MIGRATION, PAGE = 4.0, 0.5
#: What an open migration locks, by the database's vendor.
LOCKED = {
    "sqlite": "SQLite has one writer at a time, so nobody else can write to the file. "
    "PostgreSQL locks the altered table: there even the report waits.",
    "postgresql": "PostgreSQL locks the altered table for readers too: even the report waits.",
}


def starts(stage: Stage) -> None:
    reset.reset()
    users, invoices = User.objects.count(), Invoice.objects.filter(period=_last()).count()
    active = User.objects.filter(status=User.Status.ACTIVE).count()
    stage.check(
        f"The monolith has users, and {_last()} is invoiced",
        invoices == active > 0,
        f"{plural(users, 'user')}, {active} active, {plural(invoices, 'invoice')}",
    )


def bill(stage: Stage) -> None:
    active, statements = User.objects.filter(status=User.Status.ACTIVE).count(), list[str]()
    with connections["monolith"].execute_wrapper(_noting(statements)):
        began = time.perf_counter()
        issued = services.generate_invoices(_this())
        took = time.perf_counter() - began
    stage.notes["normally"] = took
    stage.check(
        "One statement bills every active user",
        len(statements) == 1 and issued == active,
        f"{plural(issued, 'invoice')} by {plural(len(statements), 'statement')} in {took * 1000:.0f} ms",
    )
    twice = services.generate_invoices(_this())
    stage.check("A second run bills nobody twice", twice == 0, plural(twice, "invoice"))
    statements.clear()
    with connections["monolith"].execute_wrapper(_noting(statements)):
        lines = reports.revenue_by_period_and_status()
    stage.rows("The report, by the users' current status", ("month", "users", "invoices", "amount"), map(_line, lines))
    stage.check("One statement makes the report", len(statements) == 1 and bool(lines), plural(len(lines), "line"))


def signal(stage: Stage) -> None:
    one, another = User.objects.filter(status=User.Status.ACTIVE).order_by("id")[:2]
    services.suspend(one, "chargeback")
    stage.say(f"The service suspends {one.name}. A signal flags the invoices. The service's code doesn't show that.")
    flagged = first = _flagged(one)
    stage.check(f"{one.name}'s invoices are flagged for review", flagged == one.invoices.count() > 0, f"{flagged} flagged")
    User.objects.filter(pk=another.pk).update(status=User.Status.SUSPENDED, suspension_reason="chargeback")
    stage.say(f"`QuerySet.update()`, as in a quick script, suspends {another.name}. It sends no signal.")
    flagged = _flagged(another)
    stage.fault(f"{another.name}'s invoices aren't flagged", flagged == 0 < another.invoices.count(), f"{flagged} flagged")
    stage.outcome(both=first > 0 < flagged, one=first > 0 == flagged, none=first == flagged == 0)


def migrate(stage: Stage) -> None:
    Invoice.objects.filter(period=_this()).delete()
    attempts: list[tuple[str, Callable[[], Any]]] = [
        ("read the report", reports.revenue_by_period_and_status),
        ("register a user", lambda: services.register(email="grace.hopper@example.org", name="Grace Hopper")),
        ("invoice everybody", lambda: services.generate_invoices(_this())),
    ]
    with stage.beside("long_migration", "monolith", "--seconds", f"{MIGRATION:g}", begun="is being altered"):
        until = time.perf_counter() + MIGRATION
        found = [(what, _within(PAGE, attempt)) for what, attempt in attempts]
        stage.say(LOCKED[connections["monolith"].vendor])
        stage.rows(f"Meanwhile, with a timeout of {PAGE:g} s", ("attempt", "result"), found)
        stage.fault("No invoice can be written", _failed(found[-1][1]))
        began = time.perf_counter()
        with stage.waiting("Waits for the lock that the migration holds"):
            issued = services.generate_invoices(_this())
        took, over = time.perf_counter() - began, time.perf_counter() - until
    normally = stage.notes["normally"]
    stage.fault(
        "Without the timeout, invoicing waits until the migration ends",
        issued > 0 and over > -PAGE,
        f"{plural(issued, 'invoice')} after {took:.1f} s instead of {normally * 1000:.0f} ms",
    )
    waited = _failed(found[-1][1])
    stage.outcome(now=not waited, after=waited and issued > 0, never=waited and issued == 0)


def cascade(stage: Stage) -> None:
    user = User.objects.filter(status=User.Status.ACTIVE, invoices__period=_last()).order_by("id")[0]
    before, theirs = _revenue(_last()), user.invoices.count()
    gone = services.delete(user)
    after = _revenue(_last())
    stage.say(f"{user.name} asked to be deleted.")
    stage.rows(f"Revenue of {_last()}, a closed month", ("before", "after"), [(f"{before:.2f} EUR", f"{after:.2f} EUR")])
    stage.fault("`on_delete=CASCADE` deletes their invoices too", gone == theirs > 0, f"{plural(gone, 'invoice')} deleted")
    stage.fault("The closed month has lost revenue", after < before, f"{before - after:.2f} EUR less")
    there = User.objects.filter(email=user.email).exists()
    stage.outcome(same=after == before and not there, less=after < before, refused=after == before and there)


def _this() -> str:
    return f"{timezone.now():%Y-%m}"


def _last() -> str:
    return last_month(timezone.now().date())


def _noting(statements: list[str]) -> Callable[..., Any]:
    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            statements.append(sql)
        return execute(sql, params, many, context)

    return note


def _line(line: reports.Revenue) -> tuple[str, str, int, str]:
    return line.period, line.user_status, line.invoices, line.amount


def _flagged(user: User) -> int:
    return user.invoices.exclude(review_reason="").count()


def _within(seconds: float, attempt: Callable[[], Any]) -> str:
    """The attempt's result, in words."""
    began = time.perf_counter()
    try:
        with patience("monolith", seconds):
            attempt()
    except OperationalError as error:
        return f"fails after {time.perf_counter() - began:.1f} s: {str(error).splitlines()[0]}"
    return f"works in {(time.perf_counter() - began) * 1000:.0f} ms"


def _failed(words: str) -> bool:
    return words.startswith("fails")


def _revenue(period: str) -> float:
    return sum(line.amount_minor for line in reports.revenue_by_period_and_status() if line.period == period) / 100


STEPS = {
    "bill": Act(bill),
    "signal": Act(signal),
    "migrate": Act(migrate, Kind.BREAK),
    "cascade": Act(cascade, Kind.BREAK),
}

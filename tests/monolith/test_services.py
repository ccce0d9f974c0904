"""The monolith works: one JOIN bills, one signal writes to another table, one CASCADE deletes the invoices."""

import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.test.utils import CaptureQueriesContext

from messaging.ledger import ledger
from monolith import reports, selectors, services
from monolith.models import Invoice, User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def register(name="Ada"):
    return services.register(email=f"{name.lower()}@example.org", name=name)


def test_active_users_are_invoiced_once_and_by_one_statement():
    ada, bob, eve = register("Ada"), register("Bob"), register("Eve")
    services.suspend(eve, "abuse report")
    with CaptureQueriesContext(connections["monolith"]) as queries:
        assert services.generate_invoices("2026-11") == 2
    assert [query["sql"].split()[0] for query in queries if "monolith_" in query["sql"]] == ["INSERT"]
    assert services.generate_invoices("2026-11") == 0
    assert services.generate_invoices("2026-12") == 2
    november = Invoice.objects.filter(period="2026-11").select_related("user")
    assert {(invoice.user, invoice.billed_to, invoice.amount_minor, invoice.status) for invoice in november} == {
        (ada, "Ada", 1900, "issued"),
        (bob, "Bob", 1900, "issued"),
    }
    assert all(invoice.issued_at.tzinfo for invoice in november)


def test_addresses_that_differ_by_case_alone_are_one_address():
    assert services.register(email="Ada@Example.org", name="Ada").email == "ada@example.org"
    with pytest.raises(ValidationError, match="email"):
        services.register(email="ADA@example.org", name="Eve")
    bob = register("Bob")
    with pytest.raises(ValidationError, match="email"):
        services.change_email(bob, "ADA@example.org")


def test_two_runs_at_once_issue_each_invoice_once():
    for number in range(30):
        register(f"User{number}")
    issued = []

    def run():
        try:
            issued.append(services.generate_invoices("2026-11"))
        finally:
            connections["monolith"].close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(issued) == Invoice.objects.count() == 30


@pytest.mark.parametrize("period", ["2026-13", "November", "", "2026-11\n"])
def test_an_invalid_month_is_refused(period):
    with pytest.raises(ValidationError, match="not a month"):
        services.generate_invoices(period)


def test_a_suspension_writes_across_to_the_invoices():
    ada, bob = register("Ada"), register("Bob")
    services.generate_invoices("2026-11")
    services.suspend(ada, "chargeback")
    assert Invoice.objects.get(user=ada).review_reason == "The user is suspended: chargeback."
    assert Invoice.objects.get(user=bob).review_reason == ""


def test_a_suspension_and_what_it_writes_commit_together(monkeypatch):
    ada = register("Ada")
    services.generate_invoices("2026-11")

    def fail(*args, **kwargs):
        raise RuntimeError("in the middle")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        services.suspend(ada, "chargeback")
    assert User.objects.get(pk=ada.pk).status == "active"


def test_writes_without_save_bypass_the_signal():
    ada = register("Ada")
    services.generate_invoices("2026-11")
    User.objects.filter(pk=ada.pk).update(status="suspended")
    assert Invoice.objects.get().review_reason == ""


def test_deleting_a_user_takes_the_invoices_along():
    ada = register("Ada")
    services.generate_invoices("2026-11")
    services.generate_invoices("2026-12")
    assert services.delete(ada) == 2
    assert not Invoice.objects.exists()


def test_reactivation_and_another_address():
    ada = register("Ada")
    with pytest.raises(ValidationError, match="Only a suspended user"):
        services.reactivate(ada)
    services.suspend(ada, "abuse report")
    with pytest.raises(ValidationError, match="Only an active user"):
        services.suspend(ada, "again")
    services.reactivate(ada)
    services.change_email(ada, "countess@example.org")
    ada.refresh_from_db()
    assert (ada.status, ada.suspension_reason, ada.email) == ("active", "", "countess@example.org")


@pytest.mark.parametrize(
    ("email", "name"), [("no address", "Eve"), ("", "Eve"), ("eve@example.org", " "), ("ada@example.org", "Eve")]
)
def test_invalid_values_of_a_user_are_refused(email, name):
    register("Ada")
    with pytest.raises(ValidationError):
        services.register(email=email, name=name)
    assert User.objects.count() == 1


def test_the_report_joins_by_the_status_as_it_is_now():
    ada = register("Ada")
    register("Bob")
    services.generate_invoices("2026-11")
    services.suspend(ada, "abuse report")
    services.generate_invoices("2026-12")
    with CaptureQueriesContext(connections["monolith"]) as queries:
        rows = reports.revenue_by_period_and_status()
    assert [(row.period, row.user_status, row.invoices, row.amount) for row in rows] == [
        ("2026-12", "active", 1, "19.00 EUR"),
        ("2026-11", "active", 1, "19.00 EUR"),
        ("2026-11", "suspended", 1, "19.00 EUR"),
    ]
    assert len(queries) == 1
    assert "JOIN" in queries[0]["sql"]


def test_lists_read_with_joins_and_not_row_by_row():
    for name in ("Ada", "Bob", "Eve"):
        user = register(name)
    services.generate_invoices("2026-11")
    services.suspend(user, "abuse report")
    with CaptureQueriesContext(connections["monolith"]) as queries:
        users: list[Any] = list(selectors.users_with_last_invoices(limit=10))
        review = [invoice.user.email for invoice in selectors.invoices_to_review(limit=10)]
    assert len(queries) == 3
    assert [len(user.last_invoices) for user in users] == [1, 1, 1]
    assert review == ["eve@example.org"]


def test_every_write_moves_the_ledger_so_others_can_follow():
    ada = register("Ada")
    services.generate_invoices("2026-11")
    invoice = Invoice.objects.get()
    services.suspend(ada, "abuse report")
    names = [("monolith.user", str(ada.pk)), ("monolith.invoice", str(invoice.pk))]
    assert {name: version for name, (version, _) in ledger.positions("monolith", names).items()} == dict.fromkeys(names, 2)

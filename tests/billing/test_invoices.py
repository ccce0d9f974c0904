"""Billing decides by its own cache: only active users, once, and a late suspension flags invoices."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from billing.errors import InvalidPeriod, TransitionNotAllowed
from billing.events import InvoiceFlagged
from billing.models import CachedUser, Invoice
from billing.services import invoice_mark_overdue, invoices_generate
from messaging.consumer import inbox
from messaging.models import Ledger
from messaging.testing import assert_recorded, recorded

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def cache(status="active", version=1, number=1):
    now = timezone.now()
    rows = [
        CachedUser(
            user_id=uuid.uuid4(),
            status=status,
            status_since=now,
            version=version,
            source="event",
            authority_time=now,
            received_at=now,
        )
        for _ in range(number)
    ]
    return sorted(CachedUser.objects.using("billing").bulk_create(rows), key=lambda row: row.pk)


def suspended(user_id, version, since):
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "users",
        "type": "users.user.suspended.v1",
        "subject": str(user_id),
        "time": since.isoformat(),
        "data": {"status": "suspended", "status_since": since.isoformat()},
        "aggregateversion": version,
        "correlationid": "story",
    }


def invoices():
    return Invoice.objects.using("billing")


def test_only_active_users_are_invoiced_and_only_once():
    active = cache(number=3)
    cache("suspended", number=2)
    cache("erased")
    first = invoices_generate(period="2026-11")
    assert (first.issued, first.skipped, first.already) == (3, 3, 0)
    second = invoices_generate(period="2026-11")
    assert (second.issued, second.already) == (0, 3)
    assert set(invoices().values_list("user_id", flat=True)) == {row.pk for row in active}
    assert invoices_generate(period="2026-12").issued == 3


def test_every_invoice_is_announced_in_its_own_transaction():
    cache(number=3)
    invoices_generate(period="2026-11")
    issued = [event["subject"] for event in recorded("billing")]
    assert set(issued) == {str(key) for key in invoices().values_list("pk", flat=True)}
    entries = Ledger.objects.using("billing").filter(aggregate="billing.invoice", deleted=False)
    announced = entries.filter(aggregate_id__in=issued).values_list("version", "announced_version")
    assert list(announced) == [(1, 1)] * 3


def test_two_runs_at_once_issue_each_invoice_once(monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 7)
    cache(number=40)
    issued = []

    def run():
        try:
            issued.append(invoices_generate(period="2026-11").issued)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(issued) == 40
    assert invoices().count() == 40
    assert len(recorded("billing")) == 40


def test_a_run_that_is_interrupted_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 5)
    cache(number=12)

    def stop_after_one(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invoices_generate(period="2026-11", progress=stop_after_one)
    assert invoices().count() == 5
    assert invoices_generate(period="2026-11").issued == 7


@pytest.mark.parametrize("period", ["2026-13", "2026-00", "11-2026", "", "2026-11-01", "2026-1"])
def test_a_text_that_is_not_a_month_is_refused(period):
    with pytest.raises(InvalidPeriod, match="not a month"):
        invoices_generate(period=period)


def test_a_suspension_that_arrives_late_flags_the_invoice_and_says_why():
    (user,) = cache()
    before = timezone.now() - timedelta(hours=1)
    invoices_generate(period="2026-11")
    event = suspended(user.pk, 2, before)
    inbox.receive("billing", [event])
    invoice = invoices().get()
    assert "suspended" in invoice.review_reason
    assert "Billing received the change later" in invoice.review_reason
    flagged = assert_recorded(InvoiceFlagged, subject=invoice.pk)
    assert (flagged["causationid"], flagged["correlationid"]) == (event["id"], "story")


def test_a_suspension_after_the_invoice_flags_nothing():
    (user,) = cache()
    invoices_generate(period="2026-11")
    inbox.receive("billing", [suspended(user.pk, 2, timezone.now() + timedelta(seconds=1))])
    assert invoices().get().review_reason == ""


def test_a_suspension_that_was_overtaken_flags_nothing():
    (user,) = cache(version=9)
    invoices_generate(period="2026-11")
    inbox.receive("billing", [suspended(user.pk, 2, timezone.now() - timedelta(hours=1))])
    assert invoices().get().review_reason == ""


def test_an_invoice_becomes_overdue_once():
    cache()
    invoices_generate(period="2026-11")
    invoice = invoice_mark_overdue(invoice_id=invoices().get().pk)
    assert invoice.status == "overdue"
    with pytest.raises(TransitionNotAllowed, match="overdue"):
        invoice_mark_overdue(invoice_id=invoice.pk)

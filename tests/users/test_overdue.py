"""A move to overdue suspends its user once, by whatever way it comes. What is no news suspends nobody."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from django_outbox_pattern.models import Published
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from billing.events import InvoiceFlagged, InvoiceIssued
from billing.models import Invoice
from messaging.models import Ownership
from messaging.replica import search
from tests.messaging.backups import Backup
from tests.users import overdue
from tests.users.overdue import World, change, fill, issue, receive, sent
from users import caches
from users.caches import USERS
from users.models import CachedInvoice, User
from users.services import user_erase, user_reactivate

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
STEPS = [
    *("issue", "issue", "overdue", "overdue", "paid", "flag", "import_one", "send", "send", "deliver", "deliver", "deliver"),
    *("lose", "replay", "pull", "bootstrap", "bootstrap_anew", "repair", "damage"),
]


@pytest.fixture(autouse=True)
def _one_process(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`users` reads billing's feed in this process."""
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: ""}
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)
    overdue.register()


def status(invoice: Invoice) -> str:
    return User.objects.using("users").get(pk=invoice.user_id).status


def row(invoice: Invoice) -> CachedInvoice:
    return CachedInvoice.objects.using("users").get(pk=invoice.pk)


@pytest.mark.timeout(600)
@rules(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(STEPS), max_size=30), seed=st.integers(0, 9999))
def test_whatever_happens_each_move_suspends_once_and_nothing_else_does(steps: list[str], seed: int) -> None:
    world = World(seed)
    for step in steps:
        getattr(world, step)()
        world.check()
    world.end()


def test_a_lost_event_is_pulled_and_suspends() -> None:
    fill()
    invoice = issue()
    change(invoice)
    sent()  # and lost
    overdue.catch_up()
    assert (status(invoice), row(invoice).source) == ("suspended", "repair")


def test_a_change_without_an_event_is_pulled_and_suspends() -> None:
    fill()
    invoice = issue()
    overdue.catch_up()
    change(invoice, silent=True)
    overdue.catch_up()
    assert status(invoice) == "suspended"


def test_a_flag_after_the_move_suspends_nobody_again() -> None:
    fill()
    invoice = issue()
    change(invoice)
    receive(*sent())
    user_reactivate(user_id=invoice.user_id)
    change(invoice, kind=InvoiceFlagged, review_reason="late")
    receive(*sent())
    assert (status(invoice), row(invoice).version, row(invoice).status) == ("active", 3, "overdue")


def test_a_move_and_its_flag_in_one_message_name_the_move_as_the_cause() -> None:
    fill()
    invoice = issue()
    change(invoice)
    change(invoice, kind=InvoiceFlagged, review_reason="late")
    found = sent()
    receive(*reversed(found))
    assert status(invoice) == "suspended"
    (cause,) = overdue.Published.objects.using("users").filter(destination="users.user.suspended.v1").values_list("body", flat=True)
    assert cause["causationid"] == next(event["id"] for event in found if event["type"] == "billing.invoice.overdue.v1")


def test_an_invoice_that_is_paid_and_overdue_again_suspends_again() -> None:
    fill()
    invoice = issue()
    change(invoice)
    receive(*sent())
    user_reactivate(user_id=invoice.user_id)
    change(invoice, kind=InvoiceIssued, status="issued")
    receive(*sent())
    assert status(invoice) == "active"
    change(invoice)
    receive(*sent())
    assert status(invoice) == "suspended"


def test_a_bootstrap_suspends_nobody_but_what_comes_after_its_snapshot_does() -> None:
    old, later = issue(), issue()
    change(old)
    sent()
    assert fill() == "in_sync"
    assert (status(old), row(old).status) == ("active", "overdue")
    change(later)
    sent()
    overdue.catch_up()
    assert status(later) == "suspended"


def test_a_second_bootstrap_is_a_pull_of_news() -> None:
    fill()
    invoice = issue()
    change(invoice)
    sent()
    fill()
    assert status(invoice) == "suspended"


def test_so_is_a_bootstrap_of_a_copy_whose_authority_was_unreachable() -> None:
    fill()
    invoice = issue()
    change(invoice)
    sent()
    overdue.replica().update(state="unreachable")
    fill()
    assert (status(invoice), overdue.subscription().state) == ("suspended", "live")


def test_a_repair_of_what_the_copy_had_suspends_nobody_again() -> None:
    fill()
    invoice = issue()
    change(invoice)
    receive(*sent())
    user_reactivate(user_id=invoice.user_id)
    CachedInvoice.objects.using("users").all().delete()
    overdue.mend()
    assert (status(invoice), row(invoice).status) == ("active", "overdue")


def test_a_repair_that_is_faster_than_the_pull_suspends() -> None:
    fill()
    invoice = issue()
    change(invoice)
    sent()
    overdue.mend()
    assert status(invoice) == "suspended"
    user_reactivate(user_id=invoice.user_id)
    overdue.catch_up()
    assert status(invoice) == "active"


def test_repairs_of_changes_that_have_no_position_yet_are_causes_of_their_own() -> None:
    fill()
    invoices = [issue(), issue()]
    receive(*sent())
    for invoice in invoices:
        change(invoice)
    overdue.mend()
    assert [status(invoice) for invoice in invoices] == ["suspended", "suspended"]
    told = Published.objects.using("users").filter(destination="users.user.suspended.v1")
    causes = {body["causationid"] for body in told.values_list("body", flat=True)}
    assert len(causes) == 2, causes


def test_an_invoice_that_was_imported_as_overdue_suspends_nobody() -> None:
    fill()
    invoice = issue(silent=True, status="overdue")
    overdue.catch_up()
    assert (status(invoice), row(invoice).status) == ("active", "overdue")


def test_a_deleted_invoice_leaves_the_copy_and_a_late_event_does_not_bring_it_back() -> None:
    fill()
    invoice = issue()
    change(invoice)
    late = sent()
    Invoice.objects.using("billing").filter(pk=invoice.pk).delete()
    overdue.catch_up()
    receive(*late)
    assert status(invoice) == "active"
    overdue.mend()
    assert not CachedInvoice.objects.using("users").exists()


def test_an_erased_user_stays_erased() -> None:
    fill()
    invoice = issue()
    user_erase(user_id=invoice.user_id)
    change(invoice)
    assert receive(*sent()).parked == 0
    assert (status(invoice), row(invoice).status) == ("erased", "overdue")


def test_an_event_from_before_the_registration_of_the_status_suspends() -> None:
    """The last release registered for `user_id` alone, and such events may wait in the queue at an upgrade."""
    invoice = issue()
    sent()
    change(invoice)
    (event,) = sent()
    del event["data"]["status"]
    assert receive(event).applied == 1
    assert (status(invoice), row(invoice).status) == ("suspended", "overdue")
    user_reactivate(user_id=invoice.user_id)
    assert fill() == "in_sync"
    assert status(invoice) == "active"


def test_a_suspension_that_is_postponed_while_others_are_made_up_for_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that began before the flip may commit during it."""
    CachedInvoice.objects.using("users").bulk_create(_postponed(2))
    waiting = _postponed(1)

    def suspend(user_id: UUID) -> None:
        if waiting:
            waiting.pop().save(using="users")

    monkeypatch.setattr(caches, "_suspend", suspend)
    USERS.owned()
    assert CachedInvoice.objects.using("users").filter(postponed=True).count() == 1


def _postponed(number: int) -> list[CachedInvoice]:
    now = timezone.now()
    ids = [(uuid4(), uuid4()) for _ in range(number)]
    moment = {"authority_time": now, "received_at": now}
    return [CachedInvoice(invoice_id=one, user_id=user, status="overdue", version=2, postponed=True, **moment) for one, user in ids]


def test_while_another_context_owns_the_users_a_suspension_waits() -> None:
    fill()
    invoice = issue()
    change(invoice)
    Ownership.objects.using("users").create(aggregate="users.user", owner="monolith")
    receive(*sent())
    assert (status(invoice), row(invoice).postponed) == ("active", True)
    Ownership.objects.using("users").all().delete()
    USERS.owned()
    assert (status(invoice), row(invoice).postponed) == ("suspended", False)
    user_reactivate(user_id=invoice.user_id)
    USERS.owned()
    assert status(invoice) == "active"


def test_after_billing_was_set_back_a_move_suspends_though_its_position_was_given_out_before() -> None:
    fill()
    overdue.catch_up()
    invoice = issue()
    overdue.catch_up()
    backup = Backup("billing")
    for _ in range(3):
        issue()
        overdue.catch_up()
    backup.restore()
    change(invoice)
    sent()  # and lost
    overdue.catch_up()
    assert (status(invoice), bool(overdue.subscription().doubt)) == ("active", True)
    overdue.mend()
    assert status(invoice) == "suspended"


def test_after_billing_was_set_back_to_before_a_flag_nobody_is_suspended_again() -> None:
    fill()
    invoice = issue()
    change(invoice)
    overdue.catch_up()
    user_reactivate(user_id=invoice.user_id)
    backup = Backup("billing")
    change(invoice, kind=InvoiceFlagged, review_reason="late")
    overdue.catch_up()
    backup.restore()
    overdue.catch_up()
    overdue.mend()
    assert (status(invoice), row(invoice).version) == ("active", 2)

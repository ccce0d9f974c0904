"""`split --flip`, `--back` and `--retire`: who owns the rows afterwards, and what each context then does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing import cutovers
from billing.models import CachedUser
from billing.models import Invoice as BillingInvoice
from billing.services import invoice_mark_overdue
from messaging.errors import MovedAway
from messaging.ledger import ledger
from messaging.models import Incident, Ownership, Subscription
from messaging.ownership import ownership
from monolith import standing
from monolith.models import Invoice, User
from tests.commands.calling import call
from tests.commands.splits import bill, equal_invoices, equal_users, follow, people
from users.models import User as Moved
from users.services import user_change_email, user_erase, user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("web", "unguarded")]


def test_flip_and_back_with_writes_on_each_owner():
    users = people(5)
    assert call("split", "users").code == 0
    flipped = call("split", "users", "--flip", "--json")
    assert (flipped.code, flipped.json["owner"], flipped.json["follower"]) == (0, "users", "monolith")
    assert flipped.json["pause_ms"] >= 0
    new = user_register(email="new@example.org", name="New")
    user_erase(user_id=users[0].pk)
    user_change_email(user_id=users[1].pk, email="changed@example.org")
    follow("monolith")
    assert User.objects.using("monolith").get(pk=new.pk).name == "New"
    assert equal_users()
    back = call("split", "users", "--back", "--json")
    assert (back.code, back.json["owner"], back.json["verdict"]) == (0, "monolith", "in_sync")
    User.objects.using("monolith").filter(pk=new.pk).update(name="Renamed")
    follow("users")
    assert Moved.objects.using("users").get(pk=new.pk).name == "Renamed"
    assert equal_users()
    assert call("split", "users", "--flip").code == 0
    assert not Incident.objects.using("users").exists()
    assert not Incident.objects.using("monolith").exists()
    assert not Moved.objects.using("users").filter(origin_version=0).exists()


def test_flipped_twice_the_second_changes_nothing():
    people(3)
    call("split", "users")
    call("split", "users", "--flip")
    before = list(User.objects.using("monolith").order_by("id").values())
    again = call("split", "users", "--flip", "--json")
    assert (again.code, again.json["owner"], again.json["pause_ms"], again.json["rows"]) == (0, "users", None, 0)
    assert list(User.objects.using("monolith").order_by("id").values()) == before


def test_both_contexts_split_and_the_old_foreign_key_still_holds():
    users = people(3)
    bill(users)
    for context in ("users", "billing"):
        assert call("split", context).code == 0
        assert call("split", context, "--flip").code == 0
    new = user_register(email="new@example.org", name="New")
    BillingInvoice.objects.using("billing").create(
        user_id=new.pk, period="2026-12", amount_minor=1900, currency="EUR", user_version=1
    )
    invoice_mark_overdue(invoice_id=BillingInvoice.objects.using("billing").get(user_id=users[0].pk).pk)
    ended = call("split", "billing", "--json")  # the invoice waits for its user, which the other feed brings
    assert (ended.code, ended.json["verdict"]) == (0, "in_sync")
    assert equal_invoices()
    assert Invoice.objects.using("monolith").get(user_id=new.pk).user.name == "New"
    assert Invoice.objects.using("monolith").get(user_id=users[0].pk).billed_to == "U0"
    assert call("split", "billing", "--back").code == 0
    assert BillingInvoice.objects.using("billing").get(user_id=new.pk).user_version == 1


def test_billing_flags_no_invoice_that_is_not_its_own_yet():
    call("consumers", "register", "billing", "--to", "users")
    (user,) = people(2)[1:]
    call("split", "users")
    call("catch_up", "billing", "--from", "users")
    bill([user])
    call("split", "billing")
    since = timezone.now() - timedelta(days=1)
    User.objects.using("monolith").filter(pk=user.pk).update(status="suspended", status_since=since)
    follow("users")
    assert call("catch_up", "billing", "--from", "users").code == 0
    assert CachedUser.objects.using("billing").get(pk=user.pk).status == "suspended"
    assert BillingInvoice.objects.using("billing").get().review_reason == ""


def test_a_suspension_that_billing_heard_of_before_the_invoices_were_its_own_flags_them_then():
    call("consumers", "register", "billing", "--to", "users")
    suspended, active = people(3)[1:]
    call("split", "users")
    bill([suspended, active])
    call("split", "billing")
    since = timezone.now() - timedelta(days=1)
    User.objects.using("monolith").filter(pk=suspended.pk).update(status="suspended", status_since=since)
    follow("users")
    call("catch_up", "billing", "--from", "users")
    assert call("split", "billing", "--flip").code == 0
    reasons = dict(BillingInvoice.objects.using("billing").values_list("user_id", "review_reason"))
    assert reasons[suspended.pk].startswith("The user was suspended at")
    assert reasons[active.pk] == ""
    follow("monolith")
    assert equal_invoices()
    assert list(ledger.unannounced("billing")) == []


def test_billing_decides_by_no_table_that_nobody_keeps_fresh():
    users = people(2)
    call("split", "users")
    call("split", "users", "--flip")
    cutovers.move(to="monolith", by="test")
    assert [user_id for user_id, *_ in standing.Users().after(None, 9)] == sorted(user.pk for user in users)
    Subscription.objects.using("monolith").update(confirmed_at=timezone.now() - timedelta(minutes=2))
    with pytest.raises(standing.Outdated, match="2 minutes ago"):
        standing.Users().one(users[1].pk)
    follow("monolith")
    assert standing.Users().one(users[1].pk)
    call("split", "users", "--retire")
    ended = call("generate_invoices", "--period", "2026-11")
    assert (ended.code, "belong to users now. This table isn't kept up to date any more" in ended.err + ended.out) == (3, True), (
        ended
    )
    assert not BillingInvoice.objects.using("billing").exists()


def test_after_retire_nobody_follows_and_the_old_table_takes_no_writes():
    people(3)
    call("split", "users")
    assert call("split", "users", "--cancel").code == 0
    call("split", "users")
    call("split", "users", "--flip")
    assert call("split", "users", "--cancel").code == 3
    before = list(User.objects.using("monolith").order_by("id").values())
    assert call("split", "users", "--retire").code == 0
    user_register(email="new@example.org", name="New")
    follow("monolith")
    assert list(User.objects.using("monolith").order_by("id").values()) == before
    with pytest.raises(MovedAway), ownership.writing("monolith", "monolith.user"):
        User.objects.using("monolith").update(name="Lost")
    assert call("split", "users", "--status", "--json").json["state"] == "retired"
    again = call("split", "users")
    assert (again.code, "The split of users is over: monolith was retired." in again.err) == (3, True)
    assert not Ownership.objects.using("users").exists()

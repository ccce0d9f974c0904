"""`split`: rows that are erased, deleted, purged or repaired during a move stay right on both sides, and don't come back."""

from datetime import timedelta

import pytest
from django_outbox_pattern.models import Published

from billing.models import Invoice as BillingInvoice
from messaging.database.outbox_pattern import SENT
from messaging.ledger import ledger
from messaging.models import Ledger, Repair, Subscription
from messaging.ownership import ownership
from messaging.publisher import retention
from messaging.replica import compare
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from monolith.models import Invoice, User
from tests.commands.calling import call
from tests.commands.splits import bill, equal_invoices, equal_users, follow, people
from users.models import User as Moved
from users.services import user_erase

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("web", "unguarded")]


def test_an_erased_and_a_deleted_user_are_tombstones_on_both_sides():
    erased, deleted, _ = people(3)
    call("split", "users")
    User.objects.using("monolith").filter(pk=erased.pk).update(status="erased", email="", name="")
    deleted_id = deleted.pk
    deleted.delete(using="monolith")
    ended = call("split", "users", "--json")
    assert ended.json["verdict"] == "in_sync"
    assert dict(Moved.objects.using("users").values_list("id", "status"))[deleted_id] == "erased"
    assert Moved.objects.using("users").get(pk=deleted_id).email == ""


@pytest.mark.parametrize("how", ["deleted", "erased"])
def test_a_deleted_user_comes_back_through_the_follower_and_an_erased_one_does_not(how):
    """`users` follows the monolith, and its own ledger reports to its consumers what happened there."""
    (user,) = people(1)
    call("split", "users")
    rows = User.objects.using("monolith").filter(pk=user.pk)
    if how == "erased":
        rows.update(status="erased", email="", name="")
    rows._raw_delete("monolith")
    follow("users")
    entry = Ledger.objects.using("users").get(aggregate_id=str(user.pk))
    assert (Moved.objects.using("users").get(pk=user.pk).status, entry.deleted) == ("erased", True)
    User.objects.using("monolith").bulk_create([User(id=user.pk, email="again@example.org", name="Again")])
    follow("users")
    entry.refresh_from_db()
    assert Moved.objects.using("users").get(pk=user.pk).status == ("erased" if how == "erased" else "active")
    assert (entry.deleted, entry.erased) == (how == "erased", how == "erased")
    assert call("split", "users", "--json").json["verdict"] == "in_sync"


def test_an_invoice_whose_id_is_used_again_comes_again():
    (invoice,) = bill(people(1))
    call("split", "billing")
    Invoice.objects.using("monolith").filter(pk=invoice.pk)._raw_delete("monolith")
    follow("billing")
    assert not BillingInvoice.objects.using("billing").exists()
    Invoice.objects.using("monolith").bulk_create([invoice])
    follow("billing")
    assert equal_invoices()
    assert not Ledger.objects.using("billing").get(aggregate_id=str(invoice.pk)).deleted


def test_a_repair_that_lets_the_owner_win_keeps_a_deletion_a_deletion():
    (user,) = people(1)
    call("split", "users")
    User.objects.using("monolith").filter(pk=user.pk)._raw_delete("monolith")
    follow("users")
    with ownership.writing_as_follower("users", "users.user"):
        Moved.objects.using("users").update(name="Tampered")
    assert call("reconcile", "users", "--from", "monolith", "--repair").code == 0
    assert Moved.objects.using("users").get().name == ""
    User.objects.using("monolith").bulk_create([User(id=user.pk, email="again@example.org", name="Again")])
    follow("users")
    assert Moved.objects.using("users").get().status == "active"


def test_a_deleted_invoice_is_deleted_in_the_copy_and_its_month_is_free_again():
    user, other = people(2)
    old, _ = bill([user, other])
    call("split", "billing")
    user_id, old_id = user.pk, old.pk
    old.delete(using="monolith")
    (new,) = bill([user])
    ended = call("split", "billing", "--json")
    assert (ended.code, ended.json["verdict"]) == (0, "in_sync")
    assert equal_invoices()
    assert BillingInvoice.objects.using("billing").get(user_id=user_id).pk == new.pk
    assert Ledger.objects.using("billing").get(aggregate_id=str(old_id)).deleted


def test_a_late_page_brings_no_deleted_invoice_back():
    from messaging.replica import pull

    (invoice,) = bill(people(1))
    call("split", "billing")
    Invoice.objects.using("monolith").update(status="overdue")
    client = AuthorityClient("monolith_invoices", "billing")
    since = Subscription.objects.using("billing").get(authority="monolith_invoices").checkpoint
    late = client.changes(since)
    assert [row["id"] for row in late.results] == [str(invoice.pk)]
    invoice.delete(using="monolith")
    follow("billing")
    assert not BillingInvoice.objects.using("billing").exists()
    pull.apply_page(Replica.of("billing", "monolith_invoices"), late, since=since, source="follow")
    assert not BillingInvoice.objects.using("billing").exists()
    client.close()


def test_a_catch_up_by_hand_brings_no_deleted_invoice_back(monkeypatch):
    """It is late with a page, as `tend` may be, and no side has a version of its rows any more."""
    from messaging.replica import pull

    (invoice,) = bill(people(1))
    call("split", "billing")
    Invoice.objects.using("monolith").update(status="overdue")
    real, late = pull.apply_page, list[str]()

    def apply_page(*arguments, **options):
        if not late:
            late.append("the other reader is faster")
            invoice.delete(using="monolith")
            follow("billing")
        return real(*arguments, **options)

    monkeypatch.setattr(pull, "apply_page", apply_page)
    assert call("catch_up", "billing", "--from", "monolith_invoices").code == 0
    assert late
    assert not BillingInvoice.objects.using("billing").exists()


def test_a_repair_of_the_follower_deletes_nothing_and_leaves_no_tombstone():
    people(4)
    call("split", "users")
    with ownership.writing_as_follower("users", "users.user"):
        Moved.objects.using("users").filter(email="u2@example.org").update(name="Tampered")
        Moved.objects.using("users").create(email="ghost@example.org", name="Ghost", origin_version=7)
    repaired = call("reconcile", "users", "--from", "monolith", "--repair", "--json")
    assert (repaired.code, repaired.json["counts"]["corrupt"], repaired.json["counts"]["ghost"]) == (0, 1, 1)
    assert equal_users()
    tampered = Moved.objects.using("users").get(email="u2@example.org")
    assert not Ledger.objects.using("users").get(aggregate_id=str(tampered.pk)).deleted


def erased_flipped_and_purged() -> User:
    """Make a user with an invoice, erased at `users` after the flip, and purged there when the monolith had passed it."""
    user, _ = people(2)
    bill([user])
    call("split", "users")
    assert call("split", "users", "--flip").code == 0
    user_erase(user_id=user.pk)
    follow("monolith")
    Published.objects.using("users").update(status=SENT)
    assert retention.purge("users", older_than=timedelta(seconds=-1)).tombstones == 1
    return user


def test_a_purge_at_the_owner_leaves_the_invoices_that_point_to_the_copy():
    user = erased_flipped_and_purged()
    assert compare.watch(Replica.of("monolith", "users")).verdict == "in_sync"
    assert User.objects.using("monolith").get(pk=user.pk).status == "erased"
    assert Invoice.objects.using("monolith").filter(user=user).exists()
    Invoice.objects.using("monolith").all().delete()
    assert compare.watch(Replica.of("monolith", "users")).verdict == "in_sync"
    assert not User.objects.using("monolith").filter(pk=user.pk).exists()
    assert not ledger.unannounced("monolith", "monolith.user").exists()


def test_a_repair_takes_out_no_ghost_that_others_point_to():
    people(2)
    call("split", "users")
    call("split", "users", "--flip")
    with ownership.writing_as_follower("monolith", "monolith.user"):
        ghosts = [User(email=f"ghost{number}@example.org", name="Ghost", origin_version=7) for number in range(2)]
        User.objects.using("monolith").bulk_create(ghosts)
    bill(ghosts[:1])
    ended = call("reconcile", "monolith", "--from", "users", "--repair", "--json")
    assert ended.code == 1, "one of them still differs"
    assert set(User.objects.using("monolith").filter(name="Ghost")) == {ghosts[0]}
    assert Invoice.objects.using("monolith").filter(user=ghosts[0]).exists()
    removed = Repair.objects.using("monolith").get().counts["removed"]
    assert [row["id"] for row in removed] == [str(ghosts[1].pk)]

"""A deleted row that is inserted again with its id lives, at its authority and in every copy. An erased one never does."""

import uuid
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connections

from billing.models import CachedUser
from messaging.celery import app
from messaging.models import Ledger
from messaging.publisher import republish
from messaging.publisher.unseen import enter_rows
from messaging.replica import bootstrap, compare, lookup, pull, repair, search
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.settings import Alias
from messaging.testing import deliver
from tests.messaging.publisher.test_unseen import unseen
from users.feed import FEED
from users.models import User
from users.services import user_erase, user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)


@pytest.fixture
def user(api):
    return user_register(email="ada@example.org", name="Ada")


def by_event():
    republish.republish("users")
    deliver()


def by_feed():
    pull.catch_up(Replica.of("billing", "users"))


def by_lookup():
    with_token = AuthorityClient("users", "billing")
    lookup.refresh(
        Replica.of("billing", "users", client=with_token), list(CachedUser.objects.using("billing").values_list("pk", flat=True))
    )
    with_token.close()


def by_bootstrap():
    bootstrap.bootstrap(Replica.of("billing", "users"), app)


def by_repair():
    repair.repair(Replica.of("billing", "users"), compare.compare(Replica.of("billing", "users")))


ROADS = [by_event, by_feed, by_lookup, by_bootstrap, by_repair]


def entry(key):
    found = Ledger.objects.using("users").get(aggregate="users.user", aggregate_id=str(key))
    return found.version, found.deleted, found.erased


def copied(key):
    row = CachedUser.objects.using("billing").get(pk=key)
    return row.status, row.version


def raw(sql, key):
    with connections["users"].cursor() as cursor:
        cursor.execute(sql, [key.hex if connections["users"].vendor == "sqlite" else key])


def delete(key):
    raw("DELETE FROM users_user WHERE id = %s", key)


def insert(key):
    User.objects.using("users").bulk_create([User(id=key, email="again@example.org", name="Again")])


@pytest.mark.parametrize("back", ROADS)
@pytest.mark.parametrize("gone", [by_event, by_feed, by_lookup, by_repair])
def test_a_row_that_was_deleted_and_is_inserted_again_lives_in_the_copy(user, gone, back):
    by_event()
    delete(user.pk)
    gone()
    assert (copied(user.pk), entry(user.pk)) == (("erased", 2), (2, True, False))
    insert(user.pk)
    back()
    assert (copied(user.pk), entry(user.pk)) == (("active", 3), (3, False, False))
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"


@pytest.mark.parametrize("back", ROADS)
@pytest.mark.parametrize("deleted_too", [False, True])
def test_an_erased_user_stays_erased_though_the_id_is_inserted_again(user, back, deleted_too):
    by_event()
    user_erase(user_id=user.pk)
    if deleted_too:
        by_event()
    delete(user.pk)
    by_event()
    insert(user.pk)
    back()
    assert (copied(user.pk)[0], entry(user.pk)) == ("erased", (4, True, True))


def test_a_user_erased_after_a_deletion_stays_erased(user):
    by_event()
    for _ in range(2):
        delete(user.pk)
        by_feed()
        insert(user.pk)
        by_feed()
    assert copied(user.pk) == ("active", 5)
    user_erase(user_id=user.pk)
    by_event()
    User.objects.using("users").filter(pk=user.pk).update(status="active", email="back@example.org")
    by_feed()
    assert (copied(user.pk), entry(user.pk)) == (("erased", 7), (7, True, True))


def test_a_deletion_does_not_make_an_erased_copy_liftable(user):
    """An authority that was restored to before the erasure deletes the row and inserts it again."""
    by_event()
    user_erase(user_id=user.pk)
    by_event()
    Ledger.objects.using("users").filter(aggregate_id=str(user.pk)).update(erased=False)
    delete(user.pk)
    by_feed()
    insert(user.pk)
    by_feed()
    assert (copied(user.pk), entry(user.pk)) == (("erased", 4), (4, False, False))
    found = compare.compare(Replica.of("billing", "users"))
    assert found.counts["erased_here"] == found.differing == 1
    assert repair.repair(Replica.of("billing", "users"), found, authority_wins=True) == 0


def test_a_copy_that_keeps_no_such_field_keeps_its_tombstones(user):
    """Like one of an earlier release, whose authority doesn't distinguish a deletion from an erasure."""
    by_event()
    delete(user.pk)
    by_feed()
    CachedUser.objects.using("billing").update(deleted=False)  # received before the upgrade
    insert(user.pk)
    by_feed()
    assert copied(user.pk)[0] == "erased"
    assert compare.compare(Replica.of("billing", "users")).counts["erased_here"] == 1


def test_a_key_that_was_changed_may_change_back(user):
    other = uuid.uuid4()
    by_event()
    User.objects.using("users").filter(pk=user.pk).update(id=other)
    by_feed()
    assert (copied(user.pk)[0], copied(other)[0]) == ("erased", "active")
    User.objects.using("users").filter(pk=other).update(id=user.pk)
    by_feed()
    assert (copied(user.pk)[0], copied(other)[0]) == ("active", "erased")


@pytest.mark.parametrize("how", ["replica", "disabled"])
def test_an_id_that_is_used_again_without_a_trigger_is_found(user, how):
    by_event()
    delete(user.pk)
    by_feed()
    with unseen(how):
        insert(user.pk)
    enter_rows(Alias("users"), FEED)
    by_feed()
    assert (copied(user.pk), entry(user.pk)) == (("active", 3), (3, False, False))


def test_tombstones_of_before_the_upgrade_count_as_erased(user):
    delete(user.pk)
    invoice = Ledger.objects.using("users").create(
        aggregate="billing.invoice", aggregate_id="x", version=2, deleted=True, changed_at=user.created_at
    )
    migration = import_module("messaging.migrations.0014_erased")
    with connections["users"].schema_editor() as editor:
        migration.count_as_erased(apps, editor)
    invoice.refresh_from_db()
    assert (entry(user.pk), invoice.erased) == ((2, True, True), False)

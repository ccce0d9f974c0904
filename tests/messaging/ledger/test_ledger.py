"""Invariant 2: version and ledger move with every write path, on both engines."""

import uuid

import pytest
from django.db import IntegrityError, connections, transaction

from messaging.errors import NothingToAnnounce
from messaging.ledger import ledger
from messaging.models import Ledger
from users.models import User
from users.services import user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def entry(user_id):
    return Ledger.objects.using("users").get(aggregate="users.user", aggregate_id=str(user_id))


def new_user(number=1):
    return User.objects.using("users").create(email=f"user{number}-{uuid.uuid4().hex[:6]}@example.org", name="A User")


def raw(statement, *parameters):
    with connections["users"].cursor() as cursor:
        cursor.execute(statement, parameters)


def stored(user_id):
    """Return the id as this engine stores it."""
    return User._meta.pk.get_db_prep_value(user_id, connections["users"])


def test_a_service_moves_version_and_announced_version_together():
    user = user_register(email="ada@example.org", name="Ada")
    user_suspend(user_id=user.pk, reason="test")
    assert (entry(user.pk).version, entry(user.pk).announced_version) == (2, 2)


def test_save_moves_the_version_and_leaves_it_unannounced():
    user = new_user()
    user.name = "Another"
    user.save(using="users")
    assert (entry(user.pk).version, entry(user.pk).announced_version) == (2, 0)


def test_update_moves_the_version_of_every_row_it_touches():
    users = [new_user(number) for number in range(3)]
    User.objects.using("users").filter(pk__in=[user.pk for user in users]).update(name="Same")
    assert [entry(user.pk).version for user in users] == [2, 2, 2]


def test_bulk_create_enters_every_row():
    users = User.objects.using("users").bulk_create([User(email=f"bulk{n}@example.org", name="B") for n in range(5)])
    assert [entry(user.pk).version for user in users] == [1] * 5


def test_raw_sql_moves_the_version():
    user = new_user()
    raw("UPDATE users_user SET status = 'suspended' WHERE id = %s", stored(user.pk))
    assert entry(user.pk).version == 2
    raw("DELETE FROM users_user WHERE id = %s", stored(user.pk))
    assert (entry(user.pk).version, entry(user.pk).deleted) == (3, True)


def test_delete_leaves_a_tombstone():
    user = new_user()
    user_id = user.pk
    user.delete(using="users")
    assert (entry(user_id).version, entry(user_id).deleted) == (2, True)


def test_a_tombstone_stays_one_when_the_row_is_written_again():
    user = user_register(email="gone@example.org", name="Gone")
    user_erase(user_id=user.pk)
    raw("UPDATE users_user SET status = 'active' WHERE id = %s", stored(user.pk))
    assert (entry(user.pk).version, entry(user.pk).deleted) == (3, True)


def test_a_changed_key_erases_the_old_one():
    user = new_user()
    other = uuid.uuid4()
    raw("UPDATE users_user SET id = %s WHERE id = %s", stored(other), stored(user.pk))
    assert entry(user.pk).deleted is True
    assert (entry(other).version, entry(other).deleted) == (1, False)


def test_a_write_that_is_rolled_back_moves_nothing():
    user = new_user()
    with pytest.raises(IntegrityError), transaction.atomic(using="users"):
        user.name = "Never"
        user.save(using="users")
        User.objects.using("users").create(email=user.email, name="Twice")
    assert entry(user.pk).version == 1


def test_unannounced_is_exactly_what_no_event_was_recorded_for():
    announced = user_register(email="told@example.org", name="Told")
    silent = new_user()
    User.objects.using("users").filter(pk=announced.pk).update(name="Changed behind its back")
    user_suspend(user_id=announced.pk, reason="tells the rest")
    found = set(ledger.unannounced("users", "users.user").filter(deleted=False).values_list("aggregate_id", flat=True))
    assert str(silent.pk) in found
    assert str(announced.pk) not in found


def test_announcing_what_was_never_written_is_refused():
    with pytest.raises(NothingToAnnounce, match="not in the ledger of 'users'. Declare a Feed of its model, run `migrate"):
        ledger.announce("users", "users.user", [str(uuid.uuid4())])


def test_rows_older_than_the_trigger_are_entered_as_announced():
    user = new_user()
    Ledger.objects.using("users").filter(aggregate_id=str(user.pk)).delete()
    drop_triggers()
    ledger.install("users", ledger.TRACKED["users.user"])
    assert (entry(user.pk).version, entry(user.pk).announced_version) == (1, 1)


def test_the_check_reports_a_missing_trigger():
    from messaging.operations.checks.tables import ledger_triggers_are_there

    assert ledger_triggers_are_there(None, databases=["users"]) == []
    drop_triggers()
    assert [finding.id for finding in ledger_triggers_are_there(None, databases=["users"])] == ["messaging.W003"]
    ledger.install("users", ledger.TRACKED["users.user"])


def drop_triggers():
    if connections["users"].vendor == "postgresql":
        raw("DROP TRIGGER messaging_ledger_users_user ON users_user")
        return
    for suffix in ("insert", "update", "rekey", "delete"):
        raw(f"DROP TRIGGER messaging_ledger_users_user_{suffix}")


def test_truncate_makes_tombstones_on_postgresql():
    if connections["users"].vendor != "postgresql":
        raw_delete = new_user()
        raw("DELETE FROM users_user")
        assert entry(raw_delete.pk).deleted is True
        return
    user = new_user()
    raw("TRUNCATE users_user")
    assert (entry(user.pk).version, entry(user.pk).deleted) == (2, True)

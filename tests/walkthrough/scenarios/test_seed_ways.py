"""The two ways to seed that chapter 5 tries beside the API: a narrow interface, and the other context's tables."""

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction

from billing.models import CachedUser
from messaging.models import Subscription
from users.models import User
from users.services import user_erase, user_register, user_suspend
from walkthrough.scenarios import direct_select, one_time_import

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
State = Subscription.State


@pytest.fixture(autouse=True)
def _users() -> None:
    _, suspended, erased = (user_register(email=f"{name}@example.org", name=name) for name in ("ada", "bob", "eve"))
    user_suspend(user_id=suspended.pk, reason="test")
    user_erase(user_id=erased.pk)


def listens(**values: object) -> None:
    Subscription.objects.using("billing").update_or_create(
        authority="users", defaults={"state": State.LIVE, "partial": True, **values}
    )


def test_the_suspended_are_taken_over_and_nobody_else() -> None:
    listens()
    call_command("import_suspended")
    bob = User.objects.get(status="suspended")
    rows = list(CachedUser.objects.values_list("user_id", "status", "status_since", "version"))
    assert rows == [(bob.pk, "suspended", bob.status_since, 2)]


def test_a_newer_row_stays_whatever_is_taken_over() -> None:
    listens()
    one_time_import.import_suspended(one_time_import.Users())
    CachedUser.objects.update(status="active", version=3)
    assert one_time_import.import_suspended(one_time_import.Users()) == 0
    assert CachedUser.objects.get().status == "active"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"state": State.NEW}, "doesn't receive events yet, so a user suspended during the import would be missed"),
        ({"partial": False}, "Delete walkthrough/scenarios/one_time_import.py"),
    ],
)
def test_before_billing_listens_and_when_it_has_everything_it_refuses(values: dict[str, object], sentence: str) -> None:
    listens(**values)
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("import_suspended")
    assert refused.value.returncode == 3
    assert not CachedUser.objects.exists()


def test_sql_on_users_table_copies_every_row_and_no_version() -> None:
    call_command("copy_directly")
    copied = CachedUser.objects.values_list("user_id", "status", "status_since", "version")
    assert set(copied) == {(*row, 0) for row in User.objects.values_list("pk", "status", "status_since")}


def test_a_year_later_it_ends_in_a_sentence_and_today_is_as_it_was() -> None:
    with pytest.raises(CommandError, match="year_later.users_user can't be read: .*status") as found:
        call_command("copy_directly", "--year-later")
    assert found.value.returncode == 1
    assert not CachedUser.objects.exists()
    assert direct_select.copy_directly() == 3
    assert gone(direct_select.YEAR_LATER)


def gone(table: str) -> bool:
    try:
        with transaction.atomic(using="users"), connections["users"].cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {table}")
    except DatabaseError:
        return True
    return False

"""A test asks what was recorded, and a failure lists it."""

import pytest

from messaging.testing import assert_recorded, deliver, recorded
from users.events import UserErased, UserSuspended
from users.services import user_register, user_suspend

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def user():
    user = user_register(email="ada@example.org", name="Ada")
    return user_suspend(user_id=user.pk, reason="late")


def test_an_event_is_found_by_type_subject_and_data(user):
    for wanted in ({}, {"subject": user.pk}, {"subject": str(user.pk), "status": "suspended", "status_since": user.status_since}):
        assert assert_recorded(UserSuspended, **wanted)["aggregateversion"] == 2
    deliver()
    assert_recorded(UserSuspended, subject=user.pk)
    assert [body["type"] for body in recorded("users")] == ["users.user.created.v1", "users.user.suspended.v1"]


@pytest.mark.parametrize("wanted", [{"subject": "another"}, {"suspension_reason": "another"}])
def test_a_failure_lists_what_was_recorded(user, wanted):
    with pytest.raises(AssertionError) as failure:
        assert_recorded(UserSuspended, **wanted)
    asked, created, suspended = str(failure.value).splitlines()
    ((name, _),) = wanted.items()
    assert asked.startswith(f"users didn't record users.user.suspended.v1, {name}=")
    assert asked.endswith("another. It recorded:" if name == "subject" else "'another'. It recorded:")
    assert created.startswith(f"users.user.created.v1, subject={user.pk}, created_at=")
    assert "suspension_reason='late'" in suspended


def test_nothing_recorded_says_so():
    with pytest.raises(AssertionError, match=r"users didn't record users.user.erased.v1. It recorded:\nnothing"):
        assert_recorded(UserErased)


def test_a_misspelled_field_is_no_other_value(user):
    with pytest.raises(AssertionError, match=r"UserSuspended has no field 'state'. Its fields: status, "):
        assert_recorded(UserSuspended, state="suspended")

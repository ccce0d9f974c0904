"""`split --cancel`: no guard is left, and the copied rows stay."""

import pytest

from messaging import failpoints
from messaging.models import Consumer, Ownership
from monolith.models import User
from tests.commands.calling import call
from tests.commands.splits import Killed, people
from users.models import User as Moved
from users.services import user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("web", "unguarded")]


def test_cancelled_it_leaves_no_guard_and_what_was_copied():
    people(3)
    call("split", "users")
    assert call("split", "users", "--cancel").code == 0
    assert user_register(email="new@example.org", name="New").pk
    assert User.objects.using("monolith").update(name="B") == 3
    assert Moved.objects.using("users").count() == 4
    assert call("split", "users", "--status", "--json").json["state"] == "not begun"
    assert not Consumer.objects.using("monolith").exists()


def test_a_cancel_that_was_killed_between_the_two_guards_goes_on():
    people(1)
    call("split", "users")
    reached: list[str] = []

    def kill(step):
        reached.append(step)
        if reached.count("split.unguarded") == 2:
            raise Killed

    failpoints.listeners.append(kill)
    try:
        with pytest.raises(Killed):
            call("split", "users", "--cancel")
    finally:
        failpoints.listeners.remove(kill)
    assert (Ownership.objects.using("users").exists(), Ownership.objects.using("monolith").exists()) == (False, True)
    assert call("split", "users", "--cancel").code == 0
    assert not Ownership.objects.using("monolith").exists()
    assert User.objects.using("monolith").update(name="B") == 1


def test_a_cancel_where_nothing_can_be_cancelled_says_why():
    ended = call("split", "billing", "--cancel")
    assert (ended.code, "billing isn't split: there is nothing to cancel." in ended.err) == (3, True)
    people(1)
    call("split", "users")
    call("split", "users", "--flip")
    assert "Give them back first: manage.py split users --back" in call("split", "users", "--cancel").err
    call("split", "users", "--retire")
    assert "The split of users is over: monolith was retired." in call("split", "users", "--cancel").err

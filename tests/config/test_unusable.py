"""A page answers 503 with a sentence while a database takes no writes."""

import pytest

from tests.read_only import kept_connection_is_read_only, read_only
from users.models import User
from users.seeding import demo_users, save

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def suspend(admin_client):
    """Return a function that suspends the users in the admin."""
    admin_client.raise_request_exception = False
    save(demo_users(1), with_events=False)
    key = User.objects.using("users").get().pk

    def post():
        data = {"action": "suspend", "_selected_action": [str(key)]}
        return admin_client.post("/admin/users/user/", data)

    return post


@pytest.mark.parametrize("debug", [True, False])
def test_a_page_says_that_the_database_takes_no_writes(suspend, settings, debug):
    settings.DEBUG = debug
    with read_only("users"):
        answer = suspend()
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "The database can't be used now. Try again in a moment." in answer.content.decode()
    assert suspend().status_code == 302


def test_a_kept_connection_to_a_demoted_server_fails_once(suspend):
    kept_connection_is_read_only("users")
    assert suspend().status_code == 503
    assert suspend().status_code == 302

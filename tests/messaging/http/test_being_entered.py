"""While older rows are being entered in the ledger, the feed would lack some. Every answer that could hide it is a 503."""

import uuid

import pytest

from messaging.errors import NotNow
from messaging.models import Tracking
from messaging.replica import compare
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from tests.messaging.conftest import api  # noqa: F401  (a fixture)
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def being_entered():
    return Tracking.objects.using("users").create(aggregate="users.user", entered=412_000, rows=1_000_000)


ALL = {"ranges": [["", ""]]}, {"ranges": [["0", "8"]]}, {"rows": [["", ""]]}, {"ids": [str(uuid.UUID(int=1))]}
SENTENCE = "users.user is still being entered in the ledger: 412,000 of 1,000,000 rows. Enter the rest: manage.py track users.user"


@pytest.mark.parametrize("path", ["changes/?since=0", "changes/?since=4611686018427387904&limit=1", f"{uuid.UUID(int=1)}/", *ALL])
def test_no_part_of_the_feed_is_taken_for_the_whole(users_api, being_entered, path):
    def ask():
        return users_api.post(path) if isinstance(path, dict) else users_api.get(path)

    answer = ask()
    assert (answer.status_code, answer.json()) == (503, {"reason": "being_entered", "detail": SENTENCE})
    assert answer["Retry-After"] == "30"
    being_entered.delete()
    assert ask().status_code in (200, 404)


def test_the_register_answers(users_api, being_entered):
    assert users_api.get("registration/").status_code == 200


def test_another_models_feed_is_open(users_api):
    Tracking.objects.using("users").create(aggregate="users.other")
    assert users_api.changes(0)["head"] == 0


def test_a_lookup_learns_nothing_of_a_row_that_isn_t_entered(api, being_entered):  # noqa: F811
    """A 404 would be remembered as "there is no such user"."""
    user = User.objects.using("users").create(email="ada@example.org", name="Ada")
    with pytest.raises(NotNow, match="412,000 of 1,000,000 rows"):
        AuthorityClient("users", "billing").record(str(user.pk))


def test_a_comparison_is_no_verdict(api, being_entered):  # noqa: F811
    found = compare.compare(Replica.of("billing", "users"))
    assert (found.verdict, found.differing) == ("unreachable", 0)
    assert SENTENCE in str(found.error)

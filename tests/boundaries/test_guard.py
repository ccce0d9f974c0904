"""The guard: a context's code that uses another context's database fails its test.

Every test has the guard (`tests/conftest.py`), so these tests only plant functions that cross a boundary.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

import billing.selectors
import billing.services
import users.selectors
import users.services
from tests.boundaries.planting import planted_module
from tests.query_guard import BoundaryCrossed, guarding
from users.models import User

pytestmark = pytest.mark.django_db(databases=["users", "billing"])

PLANTED = """
def count(model, alias):
    return model.objects.using(alias).count()

def raw(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT email  FROM users_user")

def raw_many(connection):
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM users_user WHERE email = %s", [["x"]])

def call(function, *args):
    return function(*args)
"""


@pytest.fixture
def crossing() -> Any:
    return planted_module("billing._planted", PLANTED)


def test_a_query_on_another_contexts_database_raises(crossing: Any) -> None:
    with pytest.raises(BoundaryCrossed) as caught:
        crossing.count(User, "users")

    text = str(caught.value)
    assert text.startswith("billing._planted.count (billing/_planted.py:3) belongs to billing")
    assert "on the database of users: SELECT COUNT(*)" in text


def test_raw_sql_raises(crossing: Any) -> None:
    with pytest.raises(BoundaryCrossed, match="SELECT email FROM users_user"):
        crossing.raw(connections["users"])
    with pytest.raises(BoundaryCrossed, match="DELETE FROM users_user"):
        crossing.raw_many(connections["users"])


@pytest.fixture
def shared(settings: Any) -> Iterator[None]:
    """Billing is in the database of users. The test's own guard was made before, so this one comes first."""
    both = {"users": {"database": "users"}, "billing": {"database": "users"}}
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": both}
    with guarding():
        yield


def test_another_contexts_table_in_a_shared_database_raises(shared: None, crossing: Any) -> None:
    with pytest.raises(BoundaryCrossed, match=r"belongs to billing, .* on the table of users: SELECT COUNT"):
        crossing.count(User, "users")
    with pytest.raises(BoundaryCrossed, match="on the table of users: SELECT email FROM users_user"):
        crossing.raw(connections["users"])
    with pytest.raises(BoundaryCrossed, match="on the table of users: DELETE FROM users_user"):
        crossing.raw_many(connections["users"])


def test_a_helper_in_between_excuses_nobody(crossing: Any) -> None:
    from messaging.ledger import ledger

    with pytest.raises(BoundaryCrossed, match="belongs to billing"):
        crossing.call(lambda: ledger.unannounced("users").count())


def test_another_thread_is_guarded_too(crossing: Any) -> None:
    def cross() -> None:
        try:
            crossing.count(User, "users")
        finally:
            connections["users"].close()

    with ThreadPoolExecutor(1) as pool, pytest.raises(BoundaryCrossed):
        pool.submit(cross).result()


def test_the_nearest_context_counts(crossing: Any) -> None:
    # In tests, `users` answers billing's request from its own database on the same stack.
    assert crossing.call(users.selectors.users_count_by_status) == {}


def test_a_context_may_use_its_own_database() -> None:
    assert planted_module("users._planted", PLANTED).count(User, "users") == 0


def test_tests_may_look_everywhere() -> None:
    assert User.objects.using("users").count() == 0
    assert planted_module("users_elsewhere", PLANTED).count(User, "users") == 0


def test_the_real_services_and_selectors_stay_at_home() -> None:
    user = users.services.user_register(email="ada@example.com", name="Ada")
    users.services.user_suspend(user_id=user.pk, reason="a test")
    run = billing.services.invoices_generate(period="2026-11")

    assert users.selectors.users_count_by_status() == {"suspended": 1}
    assert (run.issued, billing.selectors.cached_users_count_by_status()) == (0, {})


def test_the_guard_leaves_nothing_behind() -> None:
    before = [list(connections[alias].execute_wrappers) for alias in ("users", "billing")]

    with guarding():
        during = [list(connections[alias].execute_wrappers) for alias in ("users", "billing")]

    assert [len(wrappers) for wrappers in during] == [len(wrappers) + 1 for wrappers in before]
    assert [list(connections[alias].execute_wrappers) for alias in ("users", "billing")] == before

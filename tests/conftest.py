"""What holds for every test."""

import signal
from collections.abc import Iterator

import pytest

# A shell starts what it puts into the background with Ctrl-C ignored, and every process of ours would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# What `make test` puts there it ends by SIGTERM. As after Ctrl-C, what a test started shall end with it.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Django makes `default` before all other test databases, and fails where only others are wanted. Here none needs another."""
    from django.db import connections

    for connection in connections.all():
        connection.settings_dict["TEST"]["DEPENDENCIES"] = []


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """A password's hash takes a quarter of a second by design, and half of the time of the admin's tests."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True)
def _contexts_keep_to_their_own_databases() -> Iterator[None]:
    """Invariant 12, at run time. It only listens, so tests without a database may have it too."""
    from tests.query_guard import guarding

    with guarding():
        yield


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> None:
    from tests import emptying

    emptying.install()


@pytest.fixture
def unguarded(transactional_db: None) -> Iterator[None]:
    """Takes the guards of a split away after the test, before its tables are emptied: a guard would refuse that."""
    yield
    from messaging import settings
    from messaging.split import move

    for context in settings.splits():
        move.forget(move.split_of(context))

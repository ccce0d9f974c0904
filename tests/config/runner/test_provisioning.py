"""The admin's login is made once, and a password that a person sets stays."""

import stat
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from config.runner import provisioning
from config.runner.preflight import REFUSED, WRONG_USAGE, CanNotRun
from messaging.consumer import checkpoints
from monolith.models import User as OldUser
from tests.read_only import kept_connection_is_read_only, read_only
from users.models import User
from users.services import user_register

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "admin-password"
    monkeypatch.setattr(provisioning, "PASSWORD_FILE", file)
    return file


def test_the_first_start_makes_a_login_and_later_ones_know_it(password_file: Path) -> None:
    name, password = provisioning.login()

    assert password
    assert password_file.read_text().strip() == password
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    admin = get_user_model()._default_manager.get(username=name)
    assert admin.check_password(password)
    assert admin.is_superuser
    assert provisioning.login() == (name, password)


def test_a_start_that_was_killed_before_it_made_the_admin_goes_on_with_its_password(password_file: Path) -> None:
    password_file.write_text("written-by-the-killed-one\n")

    assert provisioning.login() == ("admin", "written-by-the-killed-one")


def test_a_password_changed_by_a_person_is_neither_reset_nor_shown() -> None:
    provisioning.login()
    admin = get_user_model()._default_manager.get(username="admin")
    admin.set_password("chosen by a person")
    admin.save()

    assert provisioning.login() == ("admin", None)
    admin.refresh_from_db()
    assert admin.check_password("chosen by a person")


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("very-secret", WRONG_USAGE, "is not a broker's URL"),
        ("nonsense://me:very-secret@127.0.0.1/", WRONG_USAGE, "is not a broker's URL"),
        ("redis://:very-secret@127.0.0.1:port/0", WRONG_USAGE, "is not a broker's URL"),
        ("memory://", WRONG_USAGE, "reaches no other process"),
        ("amqp://me:very-secret@127.0.0.1:1//", REFUSED, "can't be used ("),
    ],
)
def test_a_broker_that_cannot_be_used_is_refused_without_its_password(url: str, code: int, sentence: str) -> None:
    with override_settings(MESSAGING={**settings.MESSAGING, "BROKER_URL": url}), pytest.raises(CanNotRun) as refused:
        provisioning.check_broker()

    assert refused.value.code == code
    assert sentence in str(refused.value)
    assert "very-secret" not in str(refused.value)


def test_demo_users_wait_until_messages_arrive_in_both_directions() -> None:
    """Events that wait for a worker to start would all read "received after 10 s" at first."""
    for consumer, authority in provisioning.DIRECTIONS:  # received in an earlier run
        checkpoints.record_heartbeat(consumer, authority, 0, timezone.now())
    seeding = provisioning.Seeding()
    assert not seeding()
    checkpoints.record_heartbeat("billing", "users", 0, timezone.now())
    assert not seeding()
    assert not User.objects.using("users").exists()

    checkpoints.record_heartbeat("users", "billing", 0, timezone.now())
    assert seeding()
    assert User.objects.using("users").count() == 24
    assert OldUser.objects.using("monolith").count() == 24


@pytest.mark.parametrize("alias", ["users", "monolith"])
def test_a_database_that_takes_nothing_is_asked_again_at_the_next_look(alias: str) -> None:
    seeding = provisioning.Seeding()
    for consumer, authority in provisioning.DIRECTIONS:
        checkpoints.record_heartbeat(consumer, authority, 0, timezone.now())
    with read_only(alias):
        assert not seeding()
    kept_connection_is_read_only(alias)
    assert not seeding()

    assert seeding()
    assert [one.alias for one in connections.all() if one.connection is not None] == []
    assert User.objects.using("users").count() == 24
    assert OldUser.objects.using("monolith").count() == 24


def test_users_that_are_there_stay_and_nothing_is_waited_for() -> None:
    user_register(email="ada@example.org", name="Ada")
    assert provisioning.Seeding()()
    assert User.objects.using("users").count() == 1
    assert OldUser.objects.using("monolith").count() == 24

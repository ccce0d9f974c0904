"""The crashes that the walkthrough brings about: real processes, really killed, at the line that was meant."""

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest
from django.core.management import CommandError, call_command
from django_outbox_pattern.models import Published

from config.env import ROOT
from tests import warm
from users.models import User
from users.services import user_register
from walkthrough.control import crash_points, simulated_clock
from walkthrough.scenarios import dual_write

REACH = """
import django
django.setup()
from messaging import failpoints
for _ in range(3):
    failpoints.reach("first")
    failpoints.reach("second")
print("through")
"""


class Crash(Exception):
    """What stands for SIGKILL where this process has to live on."""


@pytest.fixture(autouse=True)
def _defused() -> Iterator[None]:
    yield
    crash_points.defuse()


def reaching(*words: str) -> subprocess.CompletedProcess[str]:
    return warm.run(["-c", REACH, *words], cwd=ROOT, env=os.environ, timeout=60)


def test_a_bomb_kills_the_process_that_is_meant_at_its_step_and_only_one() -> None:
    crash_points.plant("second", "relay", "users", times=2)
    assert reaching("relay", "billing").stdout == "through\n"
    assert crash_points.went_off() == 0
    killed = reaching("relay", "users")
    assert (killed.returncode, killed.stdout) == (-9, "")
    assert crash_points.went_off() > 0
    assert reaching("relay", "users").stdout == "through\n"


def test_a_bomb_that_waits_for_more_than_comes_kills_nobody() -> None:
    crash_points.plant("first", "relay", times=4)
    assert reaching("relay").returncode == 0
    crash_points.defuse()
    assert reaching("relay").returncode == 0


def crashing(fatal: str) -> Callable[[str], None]:
    def reach(step: str) -> None:
        if step == fatal:
            raise Crash

    return reach


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize(
    ("way", "fatal", "status", "events"),
    [
        ("commit-then-send", "committed", "suspended", 0),
        ("send-then-commit", "sent", "active", 0),
        ("outbox", "recorded", "active", 0),
        ("outbox", "committed", "suspended", 1),
    ],
)
def test_what_a_crash_leaves_of_each_way(way: str, fatal: str, status: str, events: int) -> None:
    user = user_register(email="ada@example.org", name="Ada")
    Published.objects.using("users").all().delete()
    with pytest.raises(Crash):
        dual_write.WAYS[way][0](user.pk, crashing(fatal))
    assert User.objects.get().status == status
    assert Published.objects.using("users").count() == events


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["twice", "x"], "no way"),
        (["outbox", "x", "--die-after", "sent"], "no step 'sent'"),
        (["outbox", "x"], "not an id"),
        (["outbox", "0261d787-bf2e-53a2-ae3d-db5e19f649ad"], "no active user"),
    ],
)
def test_wrong_words_are_wrong_usage(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as wrong:
        call_command("dual_write", *arguments)
    assert wrong.value.returncode == 2


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_change_happens_when_it_is_said_to_have_happened() -> None:
    from datetime import UTC, datetime

    from messaging.models import Ledger
    from users.services import user_suspend

    user, moment = user_register(email="ada@example.org", name="Ada"), datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
    simulated_clock.happened(moment, user.pk, lambda: user_suspend(user_id=user.pk, reason="then"))
    assert User.objects.get().status_since == moment
    assert Ledger.objects.using("users").get().changed_at == moment
    user_suspend_again = user_register(email="bob@example.org", name="Bob")
    assert user_suspend_again.status_since > moment

"""The picture's state comes from real rows: each case is made by what the contexts do, not by a state that is written down."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser
from messaging.consumer.inbox import receive
from messaging.database.outbox_pattern import SENT, WAITING
from messaging.models import Subscription
from tests.walkthrough.flow.conftest import send
from users.models import User
from users.services import user_erase, user_reactivate, user_register, user_suspend
from walkthrough.control.processes import Seen
from walkthrough.flow import state
from walkthrough.flow.outcomes import GRACE

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("running", "queued")]


def subscription(**values: Any) -> None:
    Subscription.objects.using("billing").filter(authority="users").update(**values)


def lose(*users: User) -> None:
    """Events that the relay marked as sent and the broker lost."""
    ids = [str(user.pk) for user in users]
    found = [row for row in Published.objects.using("users").filter(status=WAITING) if row.body["subject"] in ids]
    Published.objects.using("users").filter(pk__in=[row.pk for row in found]).update(status=SENT)


def arrivals() -> list[str]:
    return [change.arrived for change in state.look().changes]


def test_a_calm_flow(users: list[User]) -> None:
    now = state.look()
    assert (now.rows, now.copied, now.ledger.head, now.ledger.silent) == (3, 3, 3, 0)
    assert [(change.arrived, change.truth, change.copied, change.drift) for change in now.changes] == [
        ("here", "active", "active", "")
    ] * 3
    assert (now.outbox.waiting, now.copy.checkpoint, now.copy.holes, now.copy.ghosts) == (0, 3, 0, [])
    assert [one.outcome for one in now.inbox] == ["applied"] * 3
    assert (now.counts.applied, now.counts.duplicate, now.counts.obsolete, now.counts.parked, now.counts.lost) == (3, 0, 0, 0, 0)
    assert now.last is not None
    assert (now.last.words, now.last.about, now.last.version, now.last.outcome) == ("User registered", "Cleo", 1, "applied")
    assert now.versions == ["v1"]


def test_an_empty_system() -> None:
    now = state.look()
    assert (now.rows, now.changes, now.inbox, now.last, now.comparison.differ) == (0, [], [], None, None)


def test_a_stopped_relay_says_since_when_and_its_events_wait(users: list[User], running: dict[str, Seen]) -> None:
    stopped = datetime(2026, 11, 29, 14, 3, 12, tzinfo=UTC)
    running["relay-users"] = Seen("STOPPED", stopped, 0)
    user_suspend(user_id=users[0].pk, reason="test")
    now = state.look()
    relay = now.programs.relay
    assert (relay.look, relay.word, relay.since, now.outbox.waiting, now.outbox.dots) == ("down", "stopped", stopped, 1, 1)
    assert [change.arrived for change in now.changes] == ["here", "here", "behind"]
    assert now.last is not None
    assert now.last.outcome == "waiting"


def test_without_a_supervisor_no_program_is_said_to_run(users: list[User], running: dict[str, Seen]) -> None:
    running.clear()
    found = state.look().programs
    assert {found.relay.look, found.worker.look, found.tend.look} == {"unknown"}


def test_a_broker_that_is_away_or_full_makes_the_relay_wait(users: list[User], queued: Callable[..., None]) -> None:
    queued(None)
    found = state.look().programs
    assert (found.relay.word, found.worker.word) == ("waits", "waits")
    queued(7, full=True)
    assert state.look().programs.relay.word == "runs"  # it has nothing to send
    user_suspend(user_id=users[0].pk, reason="test")
    now = state.look()
    assert (now.programs.relay.word, now.queue.waiting, now.programs.worker.word) == ("waits", 7, "runs")


def test_a_change_that_arrives_before_an_earlier_one_leaves_a_hole_that_tend_pulls(users: list[User]) -> None:
    user_suspend(user_id=users[0].pk, reason="lost")
    lose(users[0])
    user_suspend(user_id=users[1].pk, reason="arrives")
    send()
    assert arrivals() == ["here", "hole", "here"]
    now = state.look()
    assert (now.copy.checkpoint, now.copy.holes, now.programs.tend.word) == (3, 1, "runs")
    subscription(behind_since=timezone.now() - timedelta(seconds=4))
    assert state.look().programs.tend.word == "pulls"


def test_a_pulled_change_and_one_without_an_event_are_marked(users: list[User]) -> None:
    User.objects.using("users").filter(pk=users[2].pk).update(status="suspended")
    CachedUser.objects.using("billing").filter(pk=users[0].pk).update(source=CachedUser.Source.REPAIR)
    now = state.look()
    assert [(change.arrived, change.silent, change.drift) for change in now.changes] == [
        ("pulled", False, ""),
        ("here", False, ""),
        ("behind", True, "stale"),
    ]
    assert now.ledger.silent == 1


@pytest.mark.parametrize(
    ("values", "drift"), [({"status": "suspended"}, "corrupt"), ({"version": 9}, "ahead"), ({"version": 0}, "stale")]
)
def test_a_row_that_differs(users: list[User], values: dict[str, Any], drift: str) -> None:
    CachedUser.objects.using("billing").filter(pk=users[1].pk).update(**values)
    assert [change.drift for change in state.look().changes] == ["", drift, ""]


def test_a_missing_row_a_ghost_and_an_erased_user(users: list[User]) -> None:
    user_erase(user_id=users[2].pk)
    send()
    ghost = CachedUser.objects.using("billing").get(pk=users[0].pk)
    ghost.pk = "00000000-0000-4000-8000-000000000001"
    ghost.save(using="billing", force_insert=True)
    CachedUser.objects.using("billing").filter(pk=users[1].pk).delete()
    now = state.look()
    assert [(change.truth, change.copied, change.drift) for change in now.changes] == [
        ("active", "active", ""),
        ("active", "", "missing"),
        ("erased", "erased", ""),
    ]
    assert now.copy.ghosts == ["active"]


def test_a_doubtful_copy_and_one_that_users_does_not_answer(users: list[User]) -> None:
    since = timezone.now()
    subscription(doubt="users was set back.", doubtful_since=since)
    copy = state.look().copy
    assert (copy.state, copy.doubt, copy.doubtful_since) == ("doubtful", "users was set back.", since)
    subscription(doubt="", doubtful_since=None, state=Subscription.State.UNREACHABLE)
    now = state.look()
    assert (now.copy.state, now.programs.api.word, now.programs.tend.word) == ("unreachable", "no answer", "no answer")


def test_the_last_comparison_with_its_kinds(users: list[User]) -> None:
    subscription(drift={"missing": 1, "stale": 2}, compared_at=timezone.now() - timedelta(minutes=2))
    found = state.look().comparison
    assert (found.differing, round(found.ago / 60)) == (3, 2)


def test_duplicate_obsolete_and_parked_events(users: list[User]) -> None:
    user_suspend(user_id=users[0].pk, reason="first")
    user_reactivate(user_id=users[0].pk)
    first, second = Published.objects.using("users").filter(status=WAITING).order_by("added")
    for body in (second.body, first.body, first.body, {"id": "x", "type": "users.user.created.v1"}):
        receive("billing", [body])
    now = state.look()
    assert (now.counts.applied, now.counts.obsolete, now.counts.duplicate, now.counts.parked) == (4, 1, 1, 1)
    assert [one.outcome for one in now.inbox] == ["applied"] * 4 + ["obsolete", "parked"]


def test_an_event_is_lost_when_a_later_one_arrived_and_it_did_not(users: list[User], queued: Callable[..., None]) -> None:
    user_suspend(user_id=users[0].pk, reason="lost")
    lose(users[0])
    user_suspend(user_id=users[1].pk, reason="arrives")
    send()
    assert state.look().lost == []  # it may still be on its way
    later = timezone.now() - GRACE - timedelta(seconds=1)
    Received.objects.using("billing").update(added=later)
    queued(None)  # what arrived says it, whether the broker answers or not
    now = state.look()
    assert (len(now.lost), now.counts.lost) == (1, 1)
    assert Published.objects.using("users").get(pk=now.lost[0]).body["subject"] == str(users[0].pk)


def test_a_heartbeat_proves_a_loss_only_while_nothing_is_queued(users: list[User], queued: Callable[..., None]) -> None:
    user_suspend(user_id=users[0].pk, reason="lost")
    lose(users[0])
    subscription(heartbeat_at=timezone.now() + GRACE + timedelta(seconds=1))
    queued(2)
    assert state.look().lost == []
    queued(0)
    now = state.look()
    assert len(now.lost) == 1
    assert now.last is not None
    assert now.last.outcome == "lost"


def test_an_event_of_before_the_registration_is_not_lost(users: list[User]) -> None:
    Received.objects.using("billing").all().delete()
    subscription(heartbeat_at=timezone.now() + GRACE + timedelta(seconds=1))
    assert len(state.look().lost) == 3
    from messaging.models import Consumer

    Consumer.objects.using("users").update(registered_at=timezone.now())
    assert state.look().lost == []


def test_a_text_that_is_no_id_is_no_error(users: list[User]) -> None:
    row = Received.objects.using("billing").order_by("-added")[0]
    row.headers = {"destination": "users.user.created.v1", "subject": "not an id"}
    row.save(using="billing")
    last = Published.objects.using("users").order_by("-added")[0]
    last.body = {"subject": "neither", "aggregateversion": 1}
    Published.objects.using("users").filter(pk=last.pk).update(body=last.body)
    assert state.look().last is not None


def test_a_long_name_is_cut(users: list[User]) -> None:
    user_register(email="long@example.org", name="x" * 200)
    last = state.look().last
    assert last is not None
    assert last.about == f"{'x' * 39}…"


def queries() -> int:
    state.look()
    state.forget()  # counts of rows are kept for a while, which on a slow machine ends between two looks
    with CaptureQueriesContext(connections["users"]) as first, CaptureQueriesContext(connections["billing"]) as second:
        state.look()
    return len(first) + len(second)


def test_the_cost_does_not_grow_with_the_users(users: list[User]) -> None:
    few = queries()
    for number in range(40):
        user_register(email=f"{number}@example.org", name="U")
    send()
    assert queries() <= few
    assert few < 30


def test_several_pages_share_one_look(users: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    first = state.kept()
    assert state.kept() is first
    monkeypatch.setattr(state, "KEPT_SECONDS", -1.0)
    state.forget()
    assert state.kept() is not first
    assert state.kept() is not state.kept()

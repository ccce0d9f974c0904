"""Catch up: changes after the checkpoint come by the feed, whatever happened to their events."""

import pytest
from django.db import connections
from django.utils import timezone

from billing.models import CachedUser
from messaging.consumer import checkpoints
from messaging.errors import Denied, Unreachable
from messaging.ledger import marks, sequencer
from messaging.management.authority import authority_errors_as_refusals
from messaging.management.base import Refused
from messaging.models import Incident, Ledger, Subscription
from messaging.replica import pull
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from tests.read_only import read_only
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def seeded(number: int, **options) -> list[User]:
    save(demo_users(number, **options), with_events=False)
    return list(User.objects.using("users").order_by("id"))


def cached() -> dict[str, str]:
    return {str(row.user_id): row.status for row in CachedUser.objects.using("billing")}


def subscription() -> Subscription:
    return Subscription.objects.using("billing").get(authority="users")


def test_every_row_comes_once_in_pages(api):
    users = seeded(25, suspended=0.2)
    user_erase(user_id=users[0].pk)
    pulled = pull.catch_up(Replica.of("billing", "users"), page_size=4)
    assert cached() == {str(user.pk): user.status for user in User.objects.using("users").all()}
    assert (pulled.rows, pulled.applied) == (25, 25)
    assert pulled.checkpoint == pulled.head == sequencer.head("users") == subscription().checkpoint
    assert pull.catch_up(Replica.of("billing", "users")).rows == 0


def test_only_the_consumers_fields_leave(api):
    seeded(3)
    page = AuthorityClient("users", "billing").changes(0)
    assert {tuple(sorted(item["data"])) for item in page.results} == {("status", "status_since")}
    assert "example.org" not in str(page.results)


def test_a_row_that_was_deleted_by_hand_comes_as_a_tombstone(api):
    users = seeded(2)
    pull.catch_up(Replica.of("billing", "users"))
    with connections["users"].cursor() as cursor:
        cursor.execute("DELETE FROM users_user WHERE email = %s", [users[0].email])
    pull.catch_up(Replica.of("billing", "users"))
    assert cached()[str(users[0].pk)] == "erased"


def test_an_erased_user_stays_erased_whatever_is_written_later(api):
    user = seeded(1)[0]
    user_erase(user_id=user.pk)
    User.objects.using("users").filter(pk=user.pk).update(status="active")
    pull.catch_up(Replica.of("billing", "users"))
    assert cached()[str(user.pk)] == "erased"
    assert Ledger.objects.using("users").get(aggregate_id=str(user.pk)).deleted


def test_changes_without_an_event_are_an_incident_with_their_list(api):
    users = seeded(6)
    pull.catch_up(Replica.of("billing", "users"))
    assert not Incident.objects.using("billing").exists()  # seeded rows have no history to miss
    User.objects.using("users").filter(pk__in=[users[1].pk, users[4].pk]).update(status="suspended")
    user_suspend(user_id=users[2].pk, reason="announced, only late")
    assert pull.catch_up(Replica.of("billing", "users")).applied == 3
    incident = Incident.objects.using("billing").get()
    assert incident.kind == "silent"
    assert set(incident.subjects) == {str(users[1].pk), str(users[4].pk)}
    assert incident.summary == "2 rows of users changed without an event."
    User.objects.using("users").filter(pk=users[5].pk).update(status="suspended")
    pull.catch_up(Replica.of("billing", "users"))
    incident.refresh_from_db()
    assert incident.count == 3


def test_a_hole_is_pulled_for_just_its_range(api):
    users = seeded(9)
    sequencer.stamp_pending("users")
    for row in users:
        User.objects.using("users").filter(pk=row.pk).update(name="Again")
    sequencer.stamp_pending("users")
    Subscription.objects.using("billing").create(authority="users", checkpoint=9, ahead=[[13, 15]], head=18)
    pulled = pull.catch_up(Replica.of("billing", "users"), until=12)
    assert pulled.rows == 3
    assert (subscription().checkpoint, subscription().ahead) == (15, [])


def test_an_authority_that_does_not_answer_is_not_in_sync(api, settings):
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    with pytest.raises(Unreachable, match="users doesn't answer at http://127.0.0.1:9"):
        pull.catch_up(Replica.of("billing", "users"))
    assert subscription().confirmed_at is None


def test_a_wrong_token_is_refused_with_its_reason(api, settings):
    settings.MESSAGING = {**settings.MESSAGING, "API_TOKEN": lambda consumer, authority: "nonsense"}
    with pytest.raises(Denied) as refused:
        pull.catch_up(Replica.of("billing", "users"))
    assert refused.value.reason == "unknown_token"


def test_a_heartbeat_confirms_what_is_caught_up_and_starts_the_clock_of_a_hole(api):
    seeded(3)
    pulled = pull.catch_up(Replica.of("billing", "users"))
    before = subscription().confirmed_at
    now = timezone.now()
    round_ = marks.at("users", pulled.head)
    assert round_ is not None
    mark = round_.mark
    checkpoints.record_heartbeat("billing", "users", pulled.head, now)
    assert subscription().confirmed_at == before  # of which history?
    checkpoints.record_heartbeat("billing", "users", pulled.head, now, mark)
    assert before is not None
    assert subscription().confirmed_at == now > before
    assert subscription().behind_since is None
    checkpoints.record_heartbeat("billing", "users", pulled.head + 2, timezone.now())
    assert subscription().confirmed_at == now
    assert subscription().behind_since is not None
    assert subscription().head == pulled.head + 2


def test_an_authority_that_can_not_answer_now_says_why_and_nobody_is_told_to_start_it(api):
    seeded(3)
    with read_only("users"), pytest.raises(Refused) as refused, authority_errors_as_refusals("billing", "users"):
        pull.catch_up(Replica.of("billing", "users"))
    assert "can't answer now (503): The database is read-only now, like a standby. Try again in a moment." in str(refused.value)
    assert "Start it" not in str(refused.value)

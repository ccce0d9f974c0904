"""The sync process (`tend`): one look at a context's copies."""

import signal
from collections import deque
from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import CachedUser
from messaging.consumer import checkpoints
from messaging.database import locks
from messaging.ledger import sequencer
from messaging.models import Consumer, Incident, Subscription
from messaging.publisher import grants, tokens
from messaging.replica import pull, sync
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from tests.commands.calling import call
from users.models import User
from users.seeding import demo_users, save
from users.services import user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def live(api):
    save(demo_users(5), with_events=False)
    pull.catch_up(Replica.of("billing", "users"))
    Subscription.objects.using("billing").update(state="live", heartbeat_at=timezone.now())
    return SyncProcess("billing")


def subscription():
    return Subscription.objects.using("billing").get(authority="users")


def test_a_hole_is_left_alone_until_its_event_had_time_to_come(live):
    User.objects.using("users").all().update(status="suspended")
    Subscription.objects.using("billing").update(head=10, behind_since=timezone.now())
    live.look()
    assert subscription().checkpoint == 5
    Subscription.objects.using("billing").update(behind_since=timezone.now() - timedelta(seconds=sync.GRACE_SECONDS + 1))
    live.look()
    assert subscription().checkpoint == 10
    assert set(CachedUser.objects.using("billing").values_list("status", flat=True)) == {"suspended"}


def test_holes_are_filled_in_one_look_and_each_for_just_its_range(live, monkeypatch):
    asked = []
    changes = AuthorityClient.changes

    def watched(asking, since, **options):
        asked.append((since, options.get("until")))
        return changes(asking, since, **options)

    monkeypatch.setattr(AuthorityClient, "changes", watched)
    monkeypatch.setattr(sync, "REPORT_SECONDS", float("inf"))
    for status in ("suspended", "active", "suspended"):  # only the last one is sent: positions 16 to 20
        User.objects.using("users").all().update(status=status)
        sequencer.stamp_pending("users")
    beyond = [[8, 8], [11, 12], [17, 17]]
    Subscription.objects.using("billing").update(head=20, ahead=beyond, behind_since=timezone.now())
    live.look()
    assert asked == []  # their events may still come, and so may later ones
    watch = live._watches["users"]
    watch.arrived = deque((at - sync.GRACE_SECONDS, position) for at, position in watch.arrived)
    live.look()
    assert asked == [(5, 7), (8, 10), (12, 16)]
    assert (subscription().checkpoint, subscription().ahead) == (17, [])


def test_an_authority_that_lacks_what_arrived_does_not_hold_the_look(live):
    """An authority that was set back has nothing to fill a gap with."""
    Subscription.objects.using("billing").update(
        head=90, ahead=[[80, 80], [90, 90]], behind_since=timezone.now() - timedelta(seconds=sync.GRACE_SECONDS + 1)
    )
    live.look()
    watch = live._watches["users"]
    watch.arrived = deque((at - sync.GRACE_SECONDS, position) for at, position in watch.arrived)
    live.look()
    assert subscription().ahead == [[80, 80], [90, 90]]


def test_without_a_heartbeat_the_feed_is_followed(live):
    User.objects.using("users").all().update(status="suspended")
    Subscription.objects.using("billing").update(heartbeat_at=timezone.now() - timedelta(seconds=sync.SILENCE_SECONDS + 1))
    live.look()
    assert subscription().checkpoint == 10


def test_a_replaced_token_is_taken_without_a_restart(live, settings):
    watch = live._watches["users"]
    watch.connect()
    token = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=1))
    live.look()
    assert subscription().state == "unreachable"
    settings.MESSAGING = {**settings.MESSAGING, "API_TOKEN": lambda consumer, authority: token}
    for _ in range(2):  # the first look is refused once more, with the old token
        watch.quiet_until = 0.0
        live.look()
    watch.close()
    assert subscription().state == "live"


@pytest.mark.parametrize("name", ["behind_since", "heartbeat_at"])
def test_a_time_that_a_wrong_clock_noted_is_not_waited_for(live, name):
    """A worker's clock was an hour ahead and has been set back: the copy must not stay behind for an hour."""
    User.objects.using("users").all().update(status="suspended")
    Subscription.objects.using("billing").update(head=10, **{name: timezone.now() + timedelta(hours=1)})
    live.look()
    assert subscription().checkpoint == 10


def test_a_new_copy_waits_for_its_bootstrap(live):
    CachedUser.objects.using("billing").all().delete()
    Subscription.objects.using("billing").update(state="new", checkpoint=0, heartbeat_at=None)
    live.look()
    assert not CachedUser.objects.using("billing").exists()
    assert subscription().state == "new"


def test_a_bootstrap_that_nobody_runs_any_more_is_told_once(live, caplog):
    """It was killed; or billing was set back to a backup from during the bootstrap."""
    said = "manage.py bootstrap billing --from users"
    Subscription.objects.using("billing").update(state="bootstrapping", bootstrap_head=5)
    with locks.exclusive("billing", "bootstrap-users"):
        live.look()
    assert said not in caplog.text
    live.look()
    live.look()
    assert caplog.text.count(said) == 1
    assert subscription().state == "bootstrapping"


def test_a_bootstrap_that_ends_during_the_look_is_not_called_unfinished(live, caplog, monkeypatch):
    """The row was read while it ran, the lock when it had ended."""

    def ended(using, purpose):
        Subscription.objects.using("billing").update(state="live", bootstrap_head=None)
        return held(using, purpose)

    held = locks.held
    monkeypatch.setattr(locks, "held", ended)
    Subscription.objects.using("billing").update(state="bootstrapping", bootstrap_head=5)
    live.look()
    assert subscription().state == "live"
    assert "is unfinished" not in caplog.text


def test_a_copy_that_events_filled_from_the_first_on_is_live(live):
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))
    Subscription.objects.using("billing").update(state="new")
    live.look()
    assert subscription().state == "live"
    assert grants.grant(Consumer.objects.using("users").get(name="billing")) == "closed"


def test_going_live_is_reported_once_and_a_later_grant_stays_open(live):
    def consumer():
        return Consumer.objects.using("users").get(name="billing")

    assert grants.grant(consumer()) == "open"  # the bootstrap's process died before it could report that
    live.look()
    assert grants.grant(consumer()) == "closed"
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))
    Consumer.objects.using("users").update(grant="")  # an authority of an earlier release takes each report for any grant's
    user_suspend(user_id=User.objects.using("users").earliest("id").pk, reason="fraud")
    pull.catch_up(Replica.of("billing", "users"))
    watch = live._watches["users"]
    for state in ("live", "unreachable"):  # as it goes on, and as it comes back
        Subscription.objects.using("billing").update(state=state)
        watch.reported = 0.0
        live.look()
    assert consumer().checkpoint == 6  # both reports came
    assert grants.grant(consumer()) == "open"
    Subscription.objects.using("billing").update(bootstrap_head=6)
    live.look()
    Subscription.objects.using("billing").update(bootstrap_head=None)
    watch.reported = 0.0
    live.look()
    assert grants.grant(consumer()) == "closed"  # the next bootstrap is reported again


def test_a_failing_cache_does_not_end_the_sync(live, monkeypatch, caplog):
    User.objects.using("users").all().update(status="suspended")
    Subscription.objects.using("billing").update(heartbeat_at=None)

    def broken(*arguments, **options):
        raise ValueError("a bug in the cache's own code")

    with monkeypatch.context() as patch:
        patch.setattr("billing.caches.upsert_newer", broken)
        live.look()
    assert "can't be synced now" in caplog.text
    assert subscription().checkpoint == 5
    live._watches["users"].quiet_until = 0.0
    live.look()
    assert subscription().checkpoint == 10


def test_an_authority_that_was_set_back_is_an_incident_until_a_comparison_has_found_both_equal(live):
    Subscription.objects.using("billing").update(checkpoint=8, head=8)
    CachedUser.objects.using("billing").filter(pk=CachedUser.objects.using("billing").order_by("pk")[0].pk).update(
        status="suspended"
    )
    live.look()
    incident = Incident.objects.using("billing").get(kind="restored", closed_at=None)
    assert incident.summary == "users was set back: it is at position 5, but this copy has positions up to 8."
    assert incident.summary in call("status").out
    watch = live._watches["users"]
    for reported in (0.0, 0.0):  # again, and it is the same one
        watch.reported = reported
        live.look()
    assert Incident.objects.using("billing").filter(kind="restored").count() == 1
    assert call("reconcile", "billing", "--from", "users", "--repair").code == 0
    watch.doubted = float("-inf")
    live.look()
    assert not Incident.objects.using("billing").filter(kind="restored", closed_at=None).exists()
    assert "set back" not in call("status").out
    assert subscription().checkpoint == 5


def test_an_authority_with_late_heartbeats_was_not_set_back(live):
    """They come by the broker, so an old one may come late."""
    checkpoints.record_heartbeat("billing", "users", 2, timezone.now())
    live.look()
    assert not Incident.objects.using("billing").exists()


def late_and_tampered():
    """Return ids of two users: the first one's event never arrives, and the second one's row in the copy was changed by hand."""
    late, tampered = User.objects.using("users").filter(status="active")[:2]
    user_suspend(user_id=late.pk, reason="test")
    CachedUser.objects.using("billing").filter(pk=tampered.pk).update(status="suspended")
    return str(late.pk), str(tampered.pk)


def compare_at_once(sync):
    next(iter(sync._watches.values())).compared = float("-inf")
    sync.look()


def test_late_changes_are_pulled_and_no_drift(live):
    late, tampered = late_and_tampered()
    compare_at_once(live)
    assert CachedUser.objects.using("billing").get(pk=late).status == "suspended"
    incident = Incident.objects.using("billing").get()
    assert (incident.kind, incident.subjects) == ("drift", [tampered])
    assert (subscription().drift["corrupt"], subscription().drift["stale"]) == (1, 0)


def test_without_a_pull_late_changes_are_drift(live):
    late, tampered = late_and_tampered()
    compare_at_once(SyncProcess("billing", pull=False))
    incident = Incident.objects.using("billing").get()
    assert (incident.kind, set(incident.subjects)) == ("drift", {late, tampered})


def test_told_to_stop_it_reports_what_it_pulled_and_compared(live, monkeypatch):
    User.objects.using("users").all().update(status="suspended")
    Subscription.objects.using("billing").update(heartbeat_at=timezone.now() - timedelta(seconds=sync.SILENCE_SECONDS + 1))
    look = SyncProcess.look

    def once(process):
        look(process)
        process.stop.set()

    monkeypatch.setattr(SyncProcess, "look", once)
    monkeypatch.setattr(signal, "signal", lambda *words: None)
    ended = call("tend", "billing", "--compare-every", "0s", "--json")
    assert (ended.code, ended.json) == (0, {"consumer": "billing", "authorities": live.authorities, "pulled": 5, "comparisons": 0})


def test_comparisons_are_counted(live):
    live.compare_every = 1
    for watch in live._watches.values():
        watch.compared -= 2
    live.look()
    live.look()
    assert live.comparisons == 1

"""Bootstrap: a new copy is filled during live events, killed and resumed, and compared at the end."""

import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing.models import CachedUser
from messaging import failpoints
from messaging.celery import app
from messaging.database import locks
from messaging.database.outbox_pattern import SENT
from messaging.errors import AlreadyRunning, BelowFloor, Denied, Unreachable
from messaging.ledger import sequencer
from messaging.models import Consumer, Ledger, Sequence, Subscription
from messaging.publisher import grants, retention
from messaging.publisher import pages as feed_pages
from messaging.replica import bootstrap, pull, repair, search
from messaging.replica import compare as comparison
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from messaging.settings import Alias
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase, user_reactivate, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def seed(number: int) -> list[User]:
    save(demo_users(number, suspended=0.1), with_events=False)
    return list(User.objects.using("users").order_by("id"))


def run(**options):
    return bootstrap.bootstrap(Replica.of("billing", "users"), app, **options)


def equal() -> bool:
    authority = {(row.pk, row.status) for row in User.objects.using("users").all()}
    return authority == {(row.user_id, row.status) for row in CachedUser.objects.using("billing")}


def test_it_ends_live_and_equal_and_its_grant_is_closed(api):
    seed(30)
    done = run(page_size=7)
    assert (done.state, done.verdict, done.resumed) == ("live", "in_sync", False)
    assert done.rows >= 30
    assert done.pages == 5
    assert equal()
    consumer = Consumer.objects.using("users").get(name="billing")
    assert grants.grant(consumer) == "closed"
    assert consumer.checkpoint == consumer.bootstrapped_to == 30
    assert {row.source for row in CachedUser.objects.using("billing")} == {"bootstrap"}


def test_after_its_success_the_beginning_of_the_feed_is_closed(api):
    seed(5)
    run()
    with pytest.raises(Denied) as refused:
        AuthorityClient("users", "billing").changes(0)
    assert refused.value.reason == "bootstrap_closed"


def test_run_twice_it_changes_nothing(api):
    seed(12)
    run()
    before = list(CachedUser.objects.using("billing").order_by("user_id").values())
    again = run()
    assert (again.state, again.verdict, again.rows) == ("live", "in_sync", 0)
    assert list(CachedUser.objects.using("billing").order_by("user_id").values()) == before


class Killed(BaseException):
    """Stands for SIGKILL between two steps; the tests of processes send a real one."""


@pytest.mark.parametrize(
    "step",
    [
        "bootstrap.bound",
        "bootstrap.begun",
        "pull.applied",
        "pull.before_commit",
        "pull.committed",
        "bootstrap.read",
        "bootstrap.live",
    ],
)
def test_killed_at_any_line_it_goes_on_behind_its_last_page(api, monkeypatch, step):
    seed(20)
    reached = []

    def kill(name):
        if name == step:
            reached.append(name)
            if len(reached) == (3 if step.startswith("pull") else 1):
                raise Killed

    monkeypatch.setattr(failpoints, "listeners", [kill])
    with pytest.raises(Killed):
        run(page_size=4)
    monkeypatch.setattr(failpoints, "listeners", [])
    kept = CachedUser.objects.using("billing").count()
    done = run(page_size=4)
    assert (done.state, done.verdict) == ("live", "in_sync")
    assert done.rows == 20 - kept
    assert equal()


def test_two_at_once_the_second_is_refused(api):
    seed(3)
    refused = []

    def second():
        try:
            run()
        except AlreadyRunning as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    with locks.exclusive("billing", "bootstrap-users"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert refused == ["A bootstrap of billing from users is running. Wait for it, or stop it first."]


def test_beside_live_changes_nothing_is_missed(api, monkeypatch):
    users = seed(60)
    pages: list[str] = []

    def change(name):
        """After each of the first pages, change some users that were read and some that weren't."""
        if name != "pull.committed" or len(pages) == 7:
            return
        pages.append(name)
        for turn, user in enumerate(users[len(pages) :: 9]):
            user.refresh_from_db(using="users")
            if user.status == "active":
                (user_erase(user_id=user.pk) if turn % 3 == 0 else user_suspend(user_id=user.pk, reason="while it ran"))
            elif user.status == "suspended":
                user_reactivate(user_id=user.pk)

    monkeypatch.setattr(failpoints, "listeners", [change])
    done = run(page_size=8)
    assert len(pages) == 7
    assert (done.state, done.verdict) == ("live", "in_sync")
    assert equal()


def test_from_now_starts_at_the_head_with_an_empty_copy(api):
    users = seed(4)
    done = run(from_now=True)
    assert (done.state, done.verdict, done.rows) == ("live", "from_now", 0)
    assert not CachedUser.objects.using("billing").exists()
    user_erase(user_id=users[0].pk)
    pull.catch_up(Replica.of("billing", "users"))
    assert CachedUser.objects.using("billing").count() == 1


def test_without_a_grant_it_is_refused_and_nothing_is_begun(api):
    seed(3)
    grants.close_bootstrap(authority="users", name="billing")
    with pytest.raises(Denied) as refused:
        run()
    assert refused.value.reason == "bootstrap_closed"
    assert Subscription.objects.using("billing").get().state == "new"


def test_a_grant_that_was_opened_for_the_next_one_outlives_a_tending_that_starts_anew(api):
    seed(6)
    run(from_now=True)
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))
    SyncProcess("billing").look()  # it hasn't reported yet that the copy is live
    consumer = Consumer.objects.using("users").get(name="billing")
    assert (consumer.reported_at is not None, grants.grant(consumer)) == (True, "open")
    assert run().verdict == "in_sync"
    assert equal()


def test_a_grant_that_is_opened_while_it_goes_live_stays_open(api, monkeypatch):
    def opens(step):
        if step == "bootstrap.live":
            grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))

    seed(3)
    with monkeypatch.context() as opening:
        opening.setattr(failpoints, "listeners", [opens])
        run()
    assert grants.grant(Consumer.objects.using("users").get(name="billing")) == "open"
    run()  # it went live after that
    assert grants.grant(Consumer.objects.using("users").get(name="billing")) == "closed"


def test_an_empty_authority_that_is_first_written_while_its_copy_goes_live_is_no_refusal(api, monkeypatch):
    """Between the bootstrap's last look at its checkpoint and its report, the sync process reads the first change and reports."""
    changes = AuthorityClient.changes
    overtaken: list[int] = []

    def late(client, since, **options):
        if options.get("live") and not overtaken:
            overtaken.append(since)
            seed(1)
            SyncProcess("billing").look()
            pull.catch_up(Replica.of("billing", "users"))
            pull.report(Replica.of("billing", "users"))
        return changes(client, since, **options)

    monkeypatch.setattr(AuthorityClient, "changes", late)
    assert run().verdict == "in_sync"
    assert overtaken == [0]
    assert equal()
    assert not Subscription.objects.using("billing").get().doubt


def test_a_copy_that_was_begun_from_now_gets_its_past_when_it_is_opened_again(api):
    seed(6)
    run(from_now=True)
    assert comparison.compare(Replica.of("billing", "users")).verdict == "in_sync"  # rows that it never requested aren't missing
    with pytest.raises(Denied):
        run()
    assert Subscription.objects.using("billing").get().state == "live"
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))
    assert run().verdict == "in_sync"
    assert equal()
    assert not Subscription.objects.using("billing").get().partial


def test_below_the_floor_it_begins_again(api):
    users = seed(8)
    run()
    user_erase(user_id=users[0].pk)
    User.objects.using("users").filter(pk=users[0].pk).delete()
    sequencer.stamp_pending("users")
    Ledger.objects.using("users").filter(aggregate_id=str(users[0].pk)).delete()
    Sequence.objects.using("users").update(floor=sequencer.head("users"))
    with pytest.raises(BelowFloor):
        pull.catch_up(Replica.of("billing", "users"))
    with pytest.raises(Denied):
        run()
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))
    done = run()
    assert (done.rows, done.verdict) == (7, "drift")  # the deleted user is a ghost here
    repair.repair(Replica.of("billing", "users"), comparison.compare(Replica.of("billing", "users")))
    assert run().verdict == "in_sync"
    assert equal()


def test_after_a_purge_a_new_copy_of_many_pages_is_begun_and_taken_up_again(api, monkeypatch):
    users = seed(12)
    pull.catch_up(Replica.of("billing", "users"))
    user_erase(user_id=users[0].pk)
    pull.catch_up(Replica.of("billing", "users"))
    pull.report(Replica.of("billing", "users"))
    Published.objects.using("users").update(status=SENT)
    assert retention.purge("users", older_than=timedelta(0)).tombstones == 1
    assert feed_pages.floor(Alias("users")) == 13  # nearly all rows are below it
    CachedUser.objects.using("billing").all().delete()
    Subscription.objects.using("billing").all().delete()
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))

    def kill(step):
        if step == "pull.committed" and Subscription.objects.using("billing").get().checkpoint > 4:
            raise Killed

    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(failpoints, "listeners", [kill])
        run(page_size=3)
    assert 0 < Subscription.objects.using("billing").get().checkpoint < 13
    done = run(page_size=3)
    assert (done.resumed, done.verdict) == (True, "in_sync")
    assert equal()


def test_a_purge_during_a_bootstrap_makes_it_begin_again(api):
    """It may have read as a live row what is purged after its first page."""
    seed(12)
    run(page_size=3)
    Subscription.objects.using("billing").update(state="bootstrapping", checkpoint=3, bootstrap_head=12, floor=0)
    Sequence.objects.using("users").update(floor=9)
    grants.open_bootstrap(authority="users", name="billing", ttl=timedelta(hours=1))
    assert run(page_size=3).verdict == "in_sync"
    assert Subscription.objects.using("billing").get().floor == 9


def test_changes_on_their_way_during_a_comparison_are_no_drift(api, monkeypatch):
    users = seed(12)
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.01)
    real, turns = comparison.compare, iter(users)

    def busy(*arguments, **options):
        """Change a user before every comparison, without a worker to bring it."""
        user = next(turns)
        User.objects.using("users").filter(pk=user.pk).update(status_since=timezone.now())
        return real(*arguments, **options)

    monkeypatch.setattr(comparison, "compare", busy)
    assert run().verdict == "in_sync"


def test_a_row_that_changes_again_while_a_pull_ends_comes_by_the_next(api, monkeypatch):
    """It has no position then, so that pull misses it. Rows that change often do this after each long comparison."""
    users = seed(12)
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.01)
    compare, stamp, about_to_pull = comparison.compare, sequencer.stamp_pending, []

    def change():
        User.objects.using("users").filter(pk=users[3].pk).update(status_since=timezone.now())

    def busy(*arguments, **options):
        change()
        found = compare(*arguments, **options)
        about_to_pull.append(found.counts)
        return found

    def stamped(using, **options):
        number = stamp(using, **options)
        if about_to_pull:
            passed_by.append(about_to_pull.pop())
            change()
        return number

    passed_by: list[dict[str, int]] = []
    monkeypatch.setattr(comparison, "compare", busy)
    monkeypatch.setattr(sequencer, "stamp_pending", stamped)
    assert run().verdict == "in_sync"
    assert [counts["stale"] for counts in passed_by] == [1]
    assert equal()


def test_rows_that_no_pull_can_repair_are_drift(api, monkeypatch):
    users = seed(12)
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.01)

    def tamper(name):
        if name == "bootstrap.read":
            CachedUser.objects.using("billing").filter(pk=users[3].pk).delete()

    monkeypatch.setattr(failpoints, "listeners", [tamper])
    done = run()
    assert (done.verdict, done.state) == ("drift", "bootstrapping")


def test_a_comparison_without_an_answer_is_exit_code_3(api, monkeypatch):
    seed(3)
    monkeypatch.setattr(AuthorityClient, "fingerprints", _gone)
    with pytest.raises(CommandError) as refused:
        call_command("bootstrap", "billing", "--from", "users")
    assert refused.value.returncode == 3
    assert "manage.py bootstrap billing --from users" in str(refused.value)
    assert Replica.of("billing", "users").subscription().state == "bootstrapping"
    monkeypatch.undo()
    call_command("bootstrap", "billing", "--from", "users")
    assert Replica.of("billing", "users").subscription().state == "live"


def _gone(self, ranges):
    raise Unreachable("users doesn't answer")

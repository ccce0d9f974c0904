"""Reconcile finds exactly what differs, with the right kind; what it repairs is equal afterwards, and announced."""

import itertools
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import CachedUser
from messaging.fingerprints import fingerprints
from messaging.ledger import sequencer
from messaging.models import Incident, Ledger, Parked, Repair, Subscription
from messaging.replica import compare, drift, repair, search
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from tests.messaging.rows import SINCE, authority_has, cache_has, cached, spelled
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Skip the second that people need for messages on their way."""
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)


def execute(alias, sql, *parameters):
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, parameters)


def plant(ids):
    """Plant all kinds by SQL, the last kind only from five ids on; returns the kind by id."""
    missing, stale, corrupt, ahead, *rest = ids[:5]
    ghost = uuid.UUID(int=5)
    where = "UPDATE billing_cacheduser SET {} WHERE user_id = %s"
    execute("users", "UPDATE users_user SET status = 'suspended' WHERE id = %s", spelled("users", stale))
    execute("billing", "DELETE FROM billing_cacheduser WHERE user_id = %s", spelled("billing", missing))
    execute("billing", where.format("status = 'suspended'"), spelled("billing", corrupt))
    execute("billing", where.format("version = 9"), spelled("billing", ahead))
    cache_has({ghost: (3, "active")})
    for revived in rest:
        execute("billing", where.format("status = 'erased'"), spelled("billing", revived))
    kinds = {missing: "missing", stale: "stale", corrupt: "corrupt", ahead: "ahead", ghost: "ghost"}
    return {str(key): kind for key, kind in (kinds | dict.fromkeys(rest, "erased_here")).items()}


def both(number):
    ids = authority_has(number)
    cache_has({key: (1, "active") for key in ids})
    return ids


def found():
    comparison = compare.compare(Replica.of("billing", "users"))
    return comparison, {row["id"]: row["kind"] for row in comparison.rows}


def test_equal_copies_are_in_sync_after_one_round_trip(api):
    both(300)
    Subscription.objects.using("billing").create(authority="users")
    comparison, _ = found()
    assert (comparison.verdict, comparison.round_trips) == ("in_sync", 1)
    assert comparison.bytes <= 1024
    row = Subscription.objects.using("billing").get()
    assert row.drift == dict.fromkeys(drift.KINDS, 0)
    assert row.compared_at is not None


def test_an_empty_copy_of_nothing_is_in_sync(api):
    Ledger.objects.using("users").all().delete()
    assert found()[0].verdict == "in_sync"


def test_all_six_kinds_are_named_with_both_values(api):
    planted = plant(both(200))
    comparison, kinds = found()
    assert comparison.verdict == "drift"
    assert kinds == planted
    assert comparison.counts == dict.fromkeys(drift.KINDS, 1)
    rows = {row["kind"]: row for row in comparison.rows}
    values = {"version": 1, "status": "active", "status_since": "2026-03-04T05:06:07.000089Z"}
    assert rows["ghost"]["authority"] is None
    assert rows["ghost"]["cache"] == {**values, "version": 3}
    assert rows["missing"]["cache"] is None
    assert rows["corrupt"]["cache"] == {**values, "status": "suspended"}
    assert (rows["stale"]["authority"]["version"], rows["stale"]["cache"]["version"]) == (2, 1)
    assert rows["ahead"]["cache"]["version"] == 9


def test_repair_mends_four_kinds_and_leaves_what_is_ahead_or_erased_here(api):
    planted = plant(both(100))
    Subscription.objects.using("billing").create(authority="users", owners=["owner@example.org"])
    comparison, _ = found()
    assert repair.repair(Replica.of("billing", "users"), comparison) == 4
    assert found()[1] == {key: kind for key, kind in planted.items() if kind in ("ahead", "erased_here")}
    assert CachedUser.objects.using("billing").filter(source="repair").count() == 3
    entry = Repair.objects.using("billing").get()
    assert entry.kind == "reconcile"
    assert {kind: entry.counts[kind] for kind in drift.KINDS} == {
        **dict.fromkeys(drift.KINDS, 1),
        **{"ahead": 0, "erased_here": 0},
    }
    assert [row["id"] for row in entry.counts["removed"]] == [str(uuid.UUID(int=5))]
    assert [letter.to for letter in mail.outbox] == [["owner@example.org"]]
    row = Subscription.objects.using("billing").get()
    assert row.repaired_at is not None
    assert row.drift == {**dict.fromkeys(drift.KINDS, 0), "ahead": 1, "erased_here": 1}


def test_the_authority_wins_over_newer_rows_only_on_request(api):
    plant(both(60))
    comparison, _ = found()
    assert repair.repair(Replica.of("billing", "users"), comparison, authority_wins=True) == 5
    assert set(found()[1].values()) == {"erased_here"}


def test_an_erased_user_stays_erased_through_repair(api):
    ids = both(30)
    User.objects.using("users").filter(pk=ids[0]).update(status="erased")
    User.objects.using("users").filter(pk=ids[0]).update(status="active")  # by mistake; the ledger still knows it
    User.objects.using("users").filter(pk=ids[1]).delete()
    comparison, kinds = found()
    assert kinds == {str(ids[0]): "stale", str(ids[1]): "stale"}
    assert repair.repair(Replica.of("billing", "users"), comparison) == 2
    assert {cached(key).status for key in ids[:2]} == {"erased"}
    assert found()[0].verdict == "in_sync"


def test_a_row_that_calls_itself_erased_is_lifted_by_no_repair(api):
    """Whatever made it a tombstone: no repair may bring back an erased user."""
    key = both(10)[0]
    User.objects.using("users").filter(pk=key).update(name="Again")
    CachedUser.objects.using("billing").filter(pk=key).update(status="erased")
    comparison, kinds = found()
    assert kinds == {str(key): "erased_here"}
    assert repair.repair(Replica.of("billing", "users"), comparison, authority_wins=True) == 0
    assert found()[1] == kinds


def test_what_is_under_way_is_no_drift(api, monkeypatch):
    """Changes that the cache gets while the comparison checks again: late ones, new ones, and a user that changes all the time."""
    late, new, busy = both(50)[:3]
    User.objects.using("users").filter(pk__in=[late, busy]).update(name="Changed")
    looks = itertools.count(1)
    records = AuthorityClient.records

    def beside(self, ids):
        number = next(looks)
        CachedUser.objects.using("billing").filter(pk=late).update(version=2)
        User.objects.using("users").filter(pk=busy).update(name=f"Changed {number}")
        CachedUser.objects.using("billing").filter(pk=busy).update(version=number + 1)
        User.objects.using("users").filter(pk=new).update(name="New")
        return records(self, ids)

    monkeypatch.setattr(AuthorityClient, "records", beside)
    original = drift.own_rows

    def arrives(consumer, cache, ids, **options):
        CachedUser.objects.using("billing").filter(pk=late).update(version=2)
        busy_version = Ledger.objects.using("users").get(aggregate_id=str(busy)).version
        CachedUser.objects.using("billing").filter(pk=busy).update(version=busy_version)
        return original(consumer, cache, ids, **options)

    monkeypatch.setattr(drift, "own_rows", arrives)
    comparison, kinds = found()
    assert kinds == {}
    assert comparison.verdict == "in_sync"
    assert next(looks) > 2


def test_a_copy_that_never_moves_is_stale_however_busy_its_user_is(api, monkeypatch):
    key = both(20)[0]
    User.objects.using("users").filter(pk=key).update(name="Changed")
    records = AuthorityClient.records

    def beside(self, ids):
        User.objects.using("users").filter(pk=key).update(name=str(uuid.uuid4()))
        return records(self, ids)

    monkeypatch.setattr(AuthorityClient, "records", beside)
    assert found()[1] == {str(key): "stale"}


@pytest.mark.parametrize(
    ("reached", "kinds"),
    [([5, 6, 7, 8], set()), ([5, 5, 5, 5], {"stale", "missing"}), ([5, 22, 22, 22], {"stale", "missing"})],
    ids=["it goes on and hasn't got that far", "it stands still", "it has passed them"],
)
def test_changes_that_a_slow_worker_has_not_reached_are_no_drift(api, monkeypatch, reached, kinds):
    """20 rows, then two more changes, at the positions 21 and 22; `reached` is the consumer's position at each check."""
    ids = both(20)
    sequencer.stamp_pending("users")
    User.objects.using("users").filter(pk=ids[0]).update(name="Changed")
    sequencer.stamp_pending("users")
    User.objects.using("users").filter(pk=ids[1]).update(name="Changed")
    sequencer.stamp_pending("users")
    CachedUser.objects.using("billing").filter(pk=ids[1]).delete()
    Subscription.objects.using("billing").create(authority="users", checkpoint=4)
    positions = iter(reached)
    listing, waiting = fingerprints.rows_of_cache, search._wait_until

    def get_on() -> None:
        Subscription.objects.using("billing").update(checkpoint=next(positions))

    def at_the_list(*asked):
        get_on()
        return listing(*asked)

    def before_a_look(moment):
        get_on()
        waiting(moment)

    monkeypatch.setattr(fingerprints, "rows_of_cache", at_the_list)
    monkeypatch.setattr(search, "_wait_until", before_a_look)
    assert set(found()[1].values()) == kinds


@pytest.mark.parametrize("number", [0, 3, 1500])
def test_a_copy_of_only_missing_rows_or_ghosts_is_reported_completely(api, number):
    Ledger.objects.using("users").all().delete()
    ids = authority_has(number)
    assert found()[0].counts["missing"] == number
    cache_has({key: (1, "active") for key in ids})
    User.objects.using("users").all().delete()
    Ledger.objects.using("users").all().delete()
    assert found()[0].counts["ghost"] == number


def test_more_than_is_kept_is_counted_and_repaired(api, monkeypatch):
    monkeypatch.setattr(compare, "MOST_KEPT_ROWS", 10)
    monkeypatch.setattr(search, "MOST_SUSPECTS", 50)
    both(300)
    execute("billing", "UPDATE billing_cacheduser SET status = 'suspended'")
    comparison, kinds = found()
    assert (comparison.counts["corrupt"], len(kinds)) == (300, 10)
    assert repair.repair(Replica.of("billing", "users"), comparison) == 300
    assert found()[0].verdict == "in_sync"


def test_an_authority_that_does_not_answer_is_never_in_sync(api, settings):
    both(3)
    Subscription.objects.using("billing").create(authority="users", drift={"missing": 7})
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    comparison = compare.watch(Replica.of("billing", "users"))
    assert comparison.verdict == "unreachable"
    assert comparison.error is not None
    row = Subscription.objects.using("billing").get()
    assert row.drift == {"missing": 7}
    assert row.compared_at is None


def test_other_fields_than_the_cache_keeps_are_refused_in_a_sentence(api):
    both(3)
    from messaging.models import Consumer

    Consumer.objects.using("users").update(fields=["status"])
    comparison = compare.compare(Replica.of("billing", "users"))
    assert comparison.verdict == "unreachable"
    said = "The copy keeps the fields status, status_since, but its consumer is registered for status. Where the authority runs: "
    command = "manage.py consumers register CONSUMER --to AUTHORITY --fields status,status_since"
    assert str(comparison.error) == said + command


def test_the_watch_opens_an_incident_and_closes_it(api):
    ids = both(20)
    CachedUser.objects.using("billing").filter(pk=ids[0]).delete()
    compare.watch(Replica.of("billing", "users"))
    compare.watch(Replica.of("billing", "users"))
    incident = Incident.objects.using("billing").get()
    assert (incident.kind, incident.count, incident.subjects, incident.closed_at) == ("drift", 1, [str(ids[0])], None)
    assert CachedUser.objects.using("billing").count() == 19
    repair.repair(Replica.of("billing", "users"), found()[0])
    compare.watch(Replica.of("billing", "users"))
    incident.refresh_from_db(using="billing")
    assert incident.closed_at is not None


def test_any_comparison_that_finds_both_equal_ends_the_incident(api):
    """A person who repairs and compares doesn't wait for the next periodic comparison."""
    ids = both(20)
    CachedUser.objects.using("billing").filter(pk=ids[0]).delete()
    compare.watch(Replica.of("billing", "users"))
    assert compare.compare(Replica.of("billing", "users")).verdict == "drift"
    incident = Incident.objects.using("billing").get()
    assert incident.closed_at is None
    repair.repair(Replica.of("billing", "users"), found()[0])
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"
    incident.refresh_from_db(using="billing")
    assert incident.closed_at is not None


# --- Any two sets of rows ------------------------------------------------------------------------------------------------

#: (version, status) by id, with few bits so that ids are close together and meet.
SIDE = st.dictionaries(
    st.integers(0, 40).map(lambda number: uuid.UUID(int=number << 60 | number % 3)),
    st.tuples(st.integers(1, 3), st.sampled_from(["active", "suspended"])),
    max_size=60,
)


def expected(authority, cache):
    kinds = {}
    for key in authority.keys() | cache.keys():
        theirs, own = authority.get(key), cache.get(key)
        if theirs == own:
            continue
        if theirs is None or own is None:
            kinds[str(key)] = "ghost" if theirs is None else "missing"
        elif own[0] == theirs[0]:
            kinds[str(key)] = "corrupt"
        else:
            kinds[str(key)] = "ahead" if own[0] > theirs[0] else "stale"
    return kinds


def test_differences_among_many_rows_are_found_by_smaller_ranges(api, monkeypatch):
    ids = sorted(both(700))
    monkeypatch.setattr(search, "PARTS", 4)
    monkeypatch.setattr(search, "FEW_ROWS", 2)
    asked, answered = [], AuthorityClient.fingerprints

    def fingerprints_of(self, ranges):
        asked.append([len(bounds) - 1 for bounds in ranges])
        return answered(self, ranges)

    monkeypatch.setattr(AuthorityClient, "fingerprints", fingerprints_of)
    planted = plant([ids[0], ids[240], ids[440], ids[-1]])
    assert found()[1] == planted
    # All four parts differ, so two or three rows are expected in each; then one in each.
    assert asked[:2] == [[4], [10, 10, 10, 10]]
    assert asked[2:]
    assert all(part <= 4 for parts in asked[2:] for part in parts)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(authority=SIDE, cache=SIDE)
def test_what_is_found_is_the_difference_of_any_two_sets(api, authority, cache):
    User.objects.using("users").all().delete()
    Ledger.objects.using("users").all().delete()
    CachedUser.objects.using("billing").all().delete()
    for key, (version, status) in authority.items():
        User.objects.using("users").create(pk=key, email=f"{key}@example.org", name="U", status=status, status_since=SINCE)
        Ledger.objects.using("users").filter(aggregate_id=str(key)).update(version=version)
    cache_has(cache)
    comparison, kinds = found()
    assert kinds == expected(authority, cache)
    repair.repair(Replica.of("billing", "users"), comparison, authority_wins=True)
    assert found()[0].verdict == "in_sync"


def test_times_are_compared_to_the_microsecond(api):
    key = both(5)[0]
    CachedUser.objects.using("billing").filter(pk=key).update(status_since=SINCE + timedelta(microseconds=1))
    assert found()[1] == {str(key): "corrupt"}
    assert found()[0].rows[0]["cache"]["status_since"] == "2026-03-04T05:06:07.000090Z"


def test_a_tombstone_that_the_authority_purged_is_no_drift_and_is_forgotten(api):
    ids = both(40)
    cache_has({uuid.UUID(int=7): (4, "erased")})
    comparison, kinds = found()
    assert (comparison.verdict, kinds) == ("in_sync", {})
    assert comparison.forgotten == [str(uuid.UUID(int=7))]
    compare.watch(Replica.of("billing", "users"))
    assert CachedUser.objects.using("billing").count() == len(ids)
    assert not Incident.objects.using("billing").exists()


def test_what_waits_for_its_retry_does_not_outlive_the_tombstone(api):
    """An event failed long ago; its user was erased since, and the authority has purged the tombstone. A retry now would bring the
    user back."""
    both(3)
    user, other = uuid.UUID(int=7), uuid.UUID(int=8)
    cache_has({user: (4, "erased")})
    for key in (user, other):
        Parked.objects.using("billing").create(event_id=str(key), event_type="users.user.created.v1", subject=str(key), reason="x")
    compare.watch(Replica.of("billing", "users"))
    assert not CachedUser.objects.using("billing").filter(pk=user).exists()
    settled = Parked.objects.using("billing").get(subject=str(user))
    assert (settled.state, settled.next_attempt_at) == ("discarded", None)
    assert "purged" in settled.note
    assert Parked.objects.using("billing").get(subject=str(other)).state == "parked"

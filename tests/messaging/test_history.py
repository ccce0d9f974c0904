"""Time goes backwards: a side that was set back is noticed at the next contact, and no decision counts the copy as fresh until a
comparison has found both sides equal."""

import json
import math
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from billing.models import CachedUser, Invoice
from billing.services import invoices_generate
from messaging.consumer import checkpoints, history, inbox, retries
from messaging.database import engines
from messaging.errors import Unreachable
from messaging.events.contract import Envelope
from messaging.ledger import marks, sequencer
from messaging.models import Consumer, Incident, Mark, Subscription
from messaging.operations.status import consumer_states
from messaging.publisher import payloads
from messaging.publisher.claim import claim
from messaging.replica import bootstrap, compare, lookup, pull, repair, staleness
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from messaging.settings import Alias
from messaging.testing import deliver
from tests.commands.calling import call
from tests.messaging.backups import Backup
from users.models import User
from users.seeding import demo_users, save
from users.services import user_change_email, user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def sync(api):
    """A live copy of five users that is caught up."""
    save(demo_users(5), with_events=True)
    found = SyncProcess("billing", compare_every=0)
    found.look()
    deliver()
    pull.report(Replica.of("billing", "users"))
    heartbeat()
    Subscription.objects.using("billing").update(state="live", heartbeat_at=timezone.now())
    Consumer.objects.using("users").update(bootstrap_open=False)
    assert staleness.doubt("billing", "users", MINUTE) == ""
    return found


def heartbeat() -> None:
    sequencer.stamp_pending("users")
    head = sequencer.head("users")
    known = marks.at("users", head)
    checkpoints.record_heartbeat("billing", "users", head, timezone.now(), known.mark if known else "")


def users() -> list[User]:
    return list(User.objects.using("users").order_by("created_at", "id"))


def copy() -> Subscription:
    return Subscription.objects.using("billing").get(authority="users")


def change(number: int) -> None:
    for turn, user in enumerate(users()[:number]):
        user_change_email(user_id=user.pk, email=f"{turn}.{timezone.now().timestamp()}@example.org")
        sequencer.stamp_pending("users")


def holds() -> bool:
    """Return True if a run that accepts a minute, and one without a limit, issue nothing."""
    runs = [invoices_generate(period="2026-11", max_staleness=MINUTE), invoices_generate(period="2026-11")]
    assert Invoice.objects.using("billing").count() == sum(run.issued for run in runs)
    return all(run.issued == 0 and run.refused and "is doubtful" in run.reason for run in runs)


def assert_doubtful() -> None:
    assert copy().doubt
    assert holds()
    (state,) = [one for one in consumer_states() if (one.consumer, one.authority) == ("billing", "users")]
    assert state.state == "doubtful"
    assert state.restored == copy().doubt
    assert Incident.objects.using("billing").get(kind="restored", closed_at=None).summary == copy().doubt


def repaired() -> None:
    found = compare.compare(Replica.of("billing", "users"))
    repair.repair(Replica.of("billing", "users"), found, authority_wins=True)
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"


def assert_well(sync: SyncProcess) -> None:
    """Check that it is confirmed again, and that a change without an event is noticed at once."""
    assert not copy().doubt
    assert not Incident.objects.using("billing").filter(kind="restored", closed_at=None).exists()
    sync.look()
    heartbeat()
    assert staleness.doubt("billing", "users", MINUTE) == ""
    User.objects.using("users").filter(pk=users()[3].pk).update(status="suspended")
    heartbeat()
    assert staleness.lag("billing", "users") == 1
    pull.catch_up(Replica.of("billing", "users"))
    assert CachedUser.objects.using("billing").get(pk=users()[3].pk).status == "suspended"


def test_an_authority_that_was_restored_is_noticed_at_the_next_contact(sync):
    backup = Backup("users")
    change(3)
    deliver()
    heartbeat()
    backup.restore()
    user_suspend(user_id=users()[0].pk, reason="late")
    heartbeat()
    before = copy().confirmed_at

    pull.report(Replica.of("billing", "users"))
    heartbeat()

    assert copy().confirmed_at == before
    assert_doubtful()
    repaired()
    assert_well(sync)


def test_an_authority_that_was_restored_and_has_passed_its_old_head_is_noticed(sync):
    """Its positions show nothing any more: the events come in order, and none is missing."""
    backup = Backup("users")
    change(2)
    deliver()
    backup.restore()
    change(4)
    deliver()
    heartbeat()
    assert copy().checkpoint >= copy().head
    assert staleness.described("billing", "users")

    pull.report(Replica.of("billing", "users"))

    assert_doubtful()
    repaired()
    assert_well(sync)


def test_a_failover_that_lost_the_last_commit_is_noticed_though_its_position_was_given_out_again(sync):
    backup = Backup("users")
    change(1)
    deliver()
    backup.restore()
    change(1)
    deliver()
    pull.report(Replica.of("billing", "users"))

    assert_doubtful()
    repaired()
    assert_well(sync)


def test_a_restored_authority_is_noticed_by_a_pull_too(sync):
    backup = Backup("users")
    change(3)
    deliver()
    backup.restore()
    User.objects.using("users").update(name="changed without an event")
    pull.catch_up(Replica.of("billing", "users"))

    assert_doubtful()


def test_a_copy_that_was_restored_is_noticed_and_settled_by_the_comparison(sync):
    backup = Backup("billing")
    change(3)
    deliver()
    pull.report(Replica.of("billing", "users"))
    backup.restore()

    pull.report(Replica.of("billing", "users"))
    assert_doubtful()
    sync.look()  # pulls what it lacks
    pull.catch_up(Replica.of("billing", "users"))
    assert compare.compare(Replica.of("billing", "users")).verdict == "in_sync"
    assert_well(sync)


def test_a_copy_that_was_set_back_to_before_its_bootstrap_is_no_unmeasured_one(api):
    """A run whose copy was never measured goes on. This one must not."""
    save(demo_users(5), with_events=False)
    backup = Backup("billing")
    from messaging.celery import app

    assert bootstrap.bootstrap(Replica.of("billing", "users"), app).state == "live"
    backup.restore()
    SyncProcess("billing", compare_every=0).look()

    assert copy().state == "new"
    assert_doubtful()


def test_an_authority_that_was_set_back_to_before_a_repair_is_noticed(sync):
    """The repaired rows are beyond the copy's checkpoint, so its positions don't show them."""
    backup = Backup("users")
    user_change_email(user_id=users()[0].pk, email="beyond@example.org")
    user_suspend(user_id=users()[0].pk, reason="beyond")
    repaired()
    backup.restore()
    pull.report(Replica.of("billing", "users"))

    assert_doubtful()


def test_an_authority_that_was_set_back_to_before_it_was_asked_is_noticed(sync):
    backup = Backup("users")
    user_suspend(user_id=users()[0].pk, reason="asked")
    invoices_generate(period="2026-10", policy=staleness.Policy.ASK, max_staleness=timedelta(0))
    assert CachedUser.objects.using("billing").get(pk=users()[0].pk).status == "suspended"
    backup.restore()
    Invoice.objects.using("billing").all().delete()
    pull.report(Replica.of("billing", "users"))

    assert_doubtful()


def test_an_authority_that_was_set_back_to_before_a_miss_was_looked_up_is_noticed(sync):
    """A user who registered after the copy's checkpoint was found on a miss: no event and no page brought them."""
    backup = Backup("users")
    lost = user_register(email="lost@example.org", name="Lost")
    assert lookup.find("billing", "users", lost.pk) is not None
    backup.restore()
    pull.report(Replica.of("billing", "users"))

    assert_doubtful()


def test_an_event_that_is_applied_at_its_retry_is_of_the_history_that_it_came_from(sync, monkeypatch):
    from billing import handlers

    backup = Backup("users")
    user_suspend(user_id=users()[0].pk, reason="not now")
    with monkeypatch.context() as patch:
        patch.setattr(handlers.HANDLERS["users.user.suspended.v1"].apply, "__code__", (lambda events: 1 / 0).__code__)
        deliver(may_park=True)
    backup.restore()
    pull.report(Replica.of("billing", "users"))
    assert not copy().doubt
    (waiting,) = retries.due("billing", timezone.now() + MINUTE)
    retries.attempt("billing", waiting)
    assert CachedUser.objects.using("billing").get(pk=users()[0].pk).status == "suspended"
    pull.report(Replica.of("billing", "users"))

    assert_doubtful()


def test_both_sides_restored_to_different_moments_are_noticed(sync):
    of_users = Backup("users")
    change(2)
    deliver()
    of_billing = Backup("billing")
    change(3)
    deliver()
    pull.report(Replica.of("billing", "users"))
    of_users.restore()
    of_billing.restore()
    change(1)
    deliver()
    pull.report(Replica.of("billing", "users"))

    assert_doubtful()


def test_sync_compares_a_doubtful_copy_at_once_and_continues_if_both_are_equal(sync):
    backup = Backup("users")
    user = users()[0]
    user_change_email(user_id=user.pk, email="no@example.org")  # a field that billing doesn't keep
    deliver()
    backup.restore()
    User.objects.using("users").filter(pk=user.pk).update(email="no@example.org")
    sync.look()
    pull.report(Replica.of("billing", "users"))
    assert copy().doubt

    sync.look()

    assert_well(sync)


def test_an_answer_that_is_lost_and_programs_that_work_at_a_time_cause_no_doubt(sync):
    change(2)
    client = AuthorityClient("users", "billing")
    replica = Replica.of("billing", "users", client=client)
    first = next(pull.pages(replica, copy(), page_size=10))
    client.changes(copy().checkpoint, limit=1, checkpoint=copy().checkpoint, marks="")  # nobody receives the answer
    deliver()
    heartbeat()
    since, page, pairs = first
    pull.apply_page(replica, page, since=since, source="repair", pairs=pairs)
    change(1)
    deliver()
    pull.report(Replica.of("billing", "users"))
    client.close()

    assert not copy().doubt
    heartbeat()
    assert staleness.doubt("billing", "users", MINUTE) == ""


def test_events_out_of_order_wait_for_the_next_contact_to_be_confirmed(sync):
    change(3)
    heartbeat()
    Consumer.objects.using("users").filter(name="billing").update(types=["users.user.suspended.v1"])
    user_suspend(user_id=users()[4].pk, reason="here")
    deliver()  # the rounds before it brought nothing
    before = copy().confirmed_at
    heartbeat()
    assert copy().confirmed_at == before
    sync.look()
    pull.catch_up(Replica.of("billing", "users"))
    assert not copy().doubt
    heartbeat()
    after = copy().confirmed_at
    assert before is not None
    assert after is not None
    assert after > before


def test_an_authority_of_the_last_release_shows_no_marks_and_causes_no_doubt(sync, monkeypatch):
    changes = AuthorityClient.changes

    def of_the_last_release(self, since, **asked):
        asked.pop("marks", None)
        return changes(self, since, **asked)

    monkeypatch.setattr(AuthorityClient, "changes", of_the_last_release)
    pull.report(Replica.of("billing", "users"))
    checkpoints.record_heartbeat("billing", "users", sequencer.head("users"), timezone.now())

    assert not copy().doubt
    assert copy().marks is None
    assert staleness.doubt("billing", "users", MINUTE) == ""


def arrive(*numbers: int) -> None:
    """Deliver messages that bring one round each, in this order."""
    waiting = messages()
    for number in numbers:
        inbox.receive("billing", waiting[number])


def messages() -> list[list[dict[str, Any]]]:
    """Claim what waits for billing, as a message for each event, by position."""
    sequencer.stamp_pending("users")
    with transaction.atomic(using="users"):
        good, _ = claim(Alias("users"), "users", 1000)
    consumer = Consumer.objects.using("users").get(name="billing")
    return sorted(payloads.messages(good, consumer, largest=1), key=lambda message: message[0]["position"])


def reported(rounds: int = 3) -> None:
    """Do what `tend` and the relay do when nothing happens for a while."""
    for _ in range(rounds):
        pull.report(Replica.of("billing", "users"))
        marks.prune("users")


def lost(changes):
    """Make a contact whose request arrives, but whose answer is lost."""

    def ask(self, *args, **asked):
        changes(self, *args, **asked)
        raise Unreachable("its answer was lost")

    return ask


def assert_fresh() -> None:
    assert copy().doubt == ""
    heartbeat()
    assert staleness.doubt("billing", "users", MINUTE) == ""


def test_rounds_out_of_order_and_pruned_cause_no_doubt(sync):
    change(4)
    arrive(3, 1, 0, 2)
    reported()
    assert_fresh()


def test_a_message_that_comes_again_long_after_its_round_was_pruned_causes_no_doubt(sync):
    change(1)
    (first,) = messages()
    inbox.receive("billing", first)
    for _ in range(5):
        change(4)
        deliver()
        reported(1)
    inbox.receive("billing", first)
    reported()
    assert_fresh()


def test_what_the_feed_brought_before_the_broker_did_causes_no_doubt(sync):
    """While a worker was stopped, the pull brought everything, and the authority pruned. Then the worker takes old events."""
    change(5)
    pull.catch_up(Replica.of("billing", "users"))
    heartbeat()
    waiting = messages()[::2]
    reported()
    for message in waiting:
        inbox.receive("billing", message)
    reported()
    assert_fresh()


def test_an_answer_that_was_lost_lets_no_mark_go_that_is_still_to_be_shown(sync, monkeypatch):
    change(4)
    arrive(3, 1)
    with monkeypatch.context() as broken:
        broken.setattr(AuthorityClient, "changes", lost(AuthorityClient.changes))
        with pytest.raises(Unreachable):
            pull.report(Replica.of("billing", "users"))
    marks.prune("users")
    pull.catch_up(Replica.of("billing", "users"))
    reported()
    assert_fresh()


def test_a_heartbeat_of_a_restored_authority_confirms_nothing(sync):
    """Its last round is one that the copy has. Only a heartbeat that was overtaken just now is of an earlier moment."""
    backup = Backup("users")
    change(3)
    deliver()
    heartbeat()
    backup.restore()
    long_ago = timezone.now() - 2 * MINUTE
    Subscription.objects.using("billing").filter(authority="users").update(confirmed_at=long_ago, last_event_at=long_ago)
    heartbeat()
    assert copy().confirmed_at == long_ago
    assert staleness.doubt("billing", "users", MINUTE)


def test_what_was_applied_during_a_contact_is_shown_at_the_next_one(sync):
    """Rounds of a lost history and of the new one arrive while a page that ends at the new one is on its way."""
    row = copy()
    last = history.Entry(*(row.marks or [])[-1])
    history.adopt(row, [(last.position + 1, "aa", last.mark), (last.position + 2, "bb", "cc")])
    answered = history.Answer("bb", (), None, last.position + 2)
    assert not history.contacted(row, answered, [(last.position, last.mark)], last.position + 2, last.position + 2)
    assert (last.position + 1, "aa") in history.pairs_to_show(row)


def test_many_rounds_in_a_row_wait_for_no_contact(sync):
    row = copy()
    last = history.Entry(*(row.marks or [])[-1])
    names = [last.mark, *(f"{number:04x}" for number in range(300))]
    for number, (before, mark) in enumerate(pairwise(names), start=1):
        history.adopt(row, [(last.position + number, mark, before)])
    assert not row.doubt
    assert not history.unverified(row)
    assert history.pairs_to_show(row) == [(last.position + 300, names[-1])]
    assert len(row.marks or []) == history.KEPT_ROUNDS


def test_a_hand_written_outbox_row_has_no_mark(sync):
    change(1)
    with transaction.atomic(using="users"):
        ((row_id, body, _),) = engines.for_alias("users").claim("users", "users", 1)
    forged = {**json.loads(body), "position": 3, "mark": "zz!", "markbefore": "zz!"}
    good, bad = payloads.partition_sendable([(row_id, json.dumps(forged), None)])
    assert not bad
    assert not {"position", "mark", "markbefore"} & good[0].event.keys()
    with pytest.raises(ValidationError):
        Envelope.model_validate(forged)


def test_a_doubtful_copy_reports_no_checkpoint(sync):
    row = copy()
    history.begin_doubt(row, "It was set back.")
    row.save()
    before = Consumer.objects.using("users").get(name="billing").checkpoint
    change(2)
    deliver()
    pull.report(Replica.of("billing", "users"))
    assert Consumer.objects.using("users").get(name="billing").checkpoint == before


def test_a_consumer_of_the_last_release_gets_heartbeats_that_it_understands(api):
    save(demo_users(1), with_events=True)
    client = AuthorityClient("users", "billing")
    client.changes(0, limit=1)
    assert not Consumer.objects.using("users").get(name="billing").marks
    client.changes(0, limit=1, marks="")
    client.close()
    assert Consumer.objects.using("users").get(name="billing").marks


def test_a_consumer_that_went_back_to_the_last_release_is_sent_none(sync):
    client = AuthorityClient("users", "billing")
    client.changes(copy().checkpoint, limit=1, checkpoint=copy().checkpoint)
    client.close()
    assert not Consumer.objects.using("users").get(name="billing").marks
    reported()
    assert Consumer.objects.using("users").get(name="billing").marks


def test_a_consumer_that_has_shown_no_marks_is_sent_none(sync):
    """Its new worker starts next to an old one, and its `tend` is an old one for a while: the authority keeps no marks for it."""
    Consumer.objects.using("users").update(marks=False)
    Subscription.objects.using("billing").update(marks=None)
    for _ in range(2):
        change(1)
        deliver()
        change(1)
        arrive()  # to the old worker
    marks.prune("users")
    pull.catch_up(Replica.of("billing", "users"))
    reported()
    assert_fresh()


def test_an_answer_that_was_lost_after_events_without_marks_lets_no_mark_go_that_is_still_to_be_shown(sync, monkeypatch):
    Consumer.objects.using("users").update(marks=False)  # what follows was sent before its first contact
    change(2)
    deliver()
    Consumer.objects.using("users").update(marks=True)
    with monkeypatch.context() as broken:
        broken.setattr(AuthorityClient, "changes", lost(AuthorityClient.changes))
        with pytest.raises(Unreachable):
            pull.report(Replica.of("billing", "users"))
    marks.prune("users")
    reported()
    assert_fresh()


def test_rounds_of_a_program_that_leaves_no_marks_cause_no_doubt(sync):
    """On SQLite a program of the last release stamps without them until it is restarted."""
    before = sequencer.head("users")
    change(2)
    Mark.objects.using("users").filter(position__gt=before).delete()
    deliver()
    reported()
    assert_fresh()
    change(1)
    deliver()
    reported()
    assert history.pairs_to_show(copy())[0][0] == sequencer.head("users")
    assert_fresh()


def test_each_round_leaves_a_mark_that_names_the_one_before(sync):
    Mark.objects.using("users").all().delete()
    for _ in range(3):
        change(1)
    rounds = list(Mark.objects.using("users").order_by("position"))
    assert [one.first for one in rounds] == [one.position for one in rounds]
    assert [one.previous for one in rounds[1:]] == [one.mark for one in rounds[:-1]]
    assert len({one.mark for one in rounds}) == 3
    assert marks.refused("users", [(rounds[1].position, rounds[1].mark), (rounds[1].position, rounds[0].mark), (10**9, "00")]) == [
        rounds[1].position,
        10**9,
    ]


def test_marks_below_every_reported_checkpoint_are_pruned(sync):
    change(3)
    deliver()
    pull.report(Replica.of("billing", "users"))
    assert marks.prune("users") > 0
    assert Mark.objects.using("users").count() == 1
    pull.report(Replica.of("billing", "users"))
    assert not copy().doubt
    Consumer.objects.using("users").update(checkpoint=None)  # a consumer that is being filled
    change(2)
    assert marks.prune("users") == 0


def test_positions_far_apart_are_looked_up_without_the_rounds_between_them(sync, django_assert_num_queries):
    Mark.objects.using("users").all().delete()
    Mark.objects.using("users").bulk_create(
        Mark(position=position, first=position, mark=f"{position:x}", previous=f"{position - 1:x}") for position in range(1, 301)
    )
    with django_assert_num_queries(2, using="users"):
        found = marks.rounds("users", [300, 2, 1])
    assert len(found.found) == 3
    assert [one.mark if (one := found.of(position)) else None for position in (1, 2, 3, 300, 301)] == ["1", "2", None, "12c", None]


def test_a_decision_that_asks_takes_no_row_of_a_history_that_is_gone(sync):
    """The answer has the same version as the copy's row, so the upsert doesn't change the row."""
    backup = Backup("users")
    user = users()[0]
    user_change_email(user_id=user.pk, email="lost@example.org")
    deliver()
    backup.restore()
    user_suspend(user_id=user.pk, reason="after the restore")
    sequencer.stamp_pending("users")
    pull.report(Replica.of("billing", "users"))
    assert copy().doubt
    assert CachedUser.objects.using("billing").get(pk=user.pk).status == "active"

    run = invoices_generate(period="2026-11", policy=staleness.Policy.ASK, max_staleness=MINUTE)

    assert not Invoice.objects.using("billing").filter(user_id=user.pk).exists()
    assert run.held == 1


def revived(user: User) -> None:
    """Back up users, erase one, deliver that to billing, restore users, write the user until the version passes the tombstone's."""
    backup = Backup("users")
    user_erase(user_id=user.pk)
    deliver()
    backup.restore()
    for turn in range(4):
        user_change_email(user_id=user.pk, email=f"back{turn}@example.org")
    deliver()


@pytest.mark.parametrize("authority_wins", [False, True])
def test_no_repair_lifts_a_tombstone(sync, authority_wins):
    user = users()[0]
    revived(user)

    found = compare.compare(Replica.of("billing", "users"))
    repair.repair(Replica.of("billing", "users"), found, authority_wins=authority_wins)

    assert CachedUser.objects.using("billing").get(pk=user.pk).status == "erased"
    after = compare.compare(Replica.of("billing", "users"))
    assert (after.verdict, after.counts["erased_here"], after.differing) == ("drift", 1, 1)
    (row,) = after.rows
    assert (row["id"], row["kind"], row["authority"]["status"], row["cache"]["status"]) == (
        *(str(user.pk), "erased_here"),
        *("active", "erased"),
    )


@pytest.mark.parametrize("noticed", [False, True])
def test_a_tombstone_that_a_restored_authority_does_not_know_was_not_purged(sync, noticed):
    """The user registered after the backup, and was erased. A later backup has the user alive."""
    before = Backup("users")
    lost = user_register(email="lost@example.org", name="Lost")
    deliver()
    later = Backup("users")
    user_erase(user_id=lost.pk)
    deliver()
    before.restore()
    if noticed:
        pull.report(Replica.of("billing", "users"))
    compare.watch(Replica.of("billing", "users"))
    assert CachedUser.objects.using("billing").get(pk=lost.pk).status == "erased"
    assert bool(copy().doubt) != noticed  # it was noticed, or the doubtful rows were compared
    sync.look()
    assert not copy().doubt
    repair.repair(Replica.of("billing", "users"), compare.watch(Replica.of("billing", "users")))
    assert CachedUser.objects.using("billing").get(pk=lost.pk).status == "erased"

    later.restore()
    pull.catch_up(Replica.of("billing", "users"))
    found = compare.compare(Replica.of("billing", "users"))
    assert (found.counts["erased_here"], [row["id"] for row in found.rows]) == (1, [str(lost.pk)])


def test_a_copy_that_differs_only_in_erased_users_is_no_longer_doubtful(sync):
    revived(users()[0])
    pull.report(Replica.of("billing", "users"))
    assert copy().doubt
    sync.look()
    assert not copy().doubt
    invoices_generate(period="2026-11")
    assert not Invoice.objects.using("billing").filter(user_id=users()[0].pk).exists()


def test_erase_again_erases_users_that_a_consumer_knows_as_erased(sync, tmp_path):
    user = users()[0]
    revived(user)
    listed = call("reconcile", "billing", "--from", "users", "--json")
    assert listed.code == 1
    file = tmp_path / "erased.json"
    file.write_text(listed.out)

    dry = call("erase_again", "users", "--from", str(file), "--dry-run", "--json")
    assert json.loads(dry.out)["ids"] == [str(user.pk)]
    assert users()[0].status == "active"
    done = call("erase_again", "users", "--from", str(file), "--json")
    assert json.loads(done.out)["erased"] == 1
    assert User.objects.using("users").get(pk=user.pk).status == "erased"
    again = json.loads(call("erase_again", "users", "--from", str(file), "--json").out)
    assert (again["erased"], again["already"]) == (0, 1)
    deliver()
    assert compare.compare(Replica.of("billing", "users")).counts["erased_here"] == 0


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"rows": 5}', '{"rows": [{"id": "x"}]}'])
def test_erase_again_says_what_it_reads(sync, tmp_path, content):
    file = tmp_path / "erased.json"
    file.write_text(content)
    done = call("erase_again", "users", "--from", str(file))
    assert done.code == 2
    assert "reconcile billing --from users --json" in done.err


def test_sync_makes_a_new_copy_with_all_changes_live(api):
    """Its events were lost in between, so it would stay new for ever."""
    save(demo_users(3), with_events=True)
    deliver()
    Subscription.objects.using("billing").update(state="new")
    User.objects.using("users").update(name="without an event")
    heartbeat()
    row = copy()
    assert (row.state, row.checkpoint, row.head) == ("new", 3, 6)
    found = SyncProcess("billing", compare_every=0)
    Subscription.objects.using("billing").update(behind_since=timezone.now() - MINUTE)
    found.look()
    found.look()

    assert (copy().state, copy().checkpoint) == ("live", 6)


def test_sync_names_the_command_if_only_erased_rows_differ_and_compares_less_and_less_often(sync, caplog):
    caplog.set_level("INFO", "messaging.replica.sync")
    backup = Backup("users")
    user = users()[0]
    user_erase(user_id=user.pk)
    deliver()
    backup.restore()
    pull.report(Replica.of("billing", "users"))
    assert copy().doubt

    sync.look()

    assert not copy().doubt
    assert "no longer doubtful" in caplog.text
    assert "manage.py erase_again users --from FILE" in caplog.text
    assert "--repair" not in caplog.text

    backup.restore()
    User.objects.using("users").filter(pk=users()[2].pk).update(status="suspended")
    row = copy()
    history.begin_doubt(row, "It was set back.")
    row.save()
    watch = sync._watches["users"]
    sync.compare_every = 300.0
    for pause in (60.0, 120.0):
        watch.doubted, watch.compared = 0.0, math.inf
        sync.look()
        assert copy().doubt
        assert watch.doubt_pause == pause
    assert "1 row differs in its copy of users. Repair: manage.py reconcile billing --from users --repair" in caplog.text

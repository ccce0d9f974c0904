"""Retention (invariant 9) deletes nothing that is unsent, or that a registered consumer hasn't passed."""

import random
import uuid
from datetime import timedelta

import pytest
from django.db.models import F, ProtectedError
from django.db.models.signals import pre_delete
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging import failpoints
from messaging.database.outbox_pattern import FAILED, SENT
from messaging.ledger import sequencer
from messaging.models import Consumer, Ledger, Ownership
from messaging.publisher import pages, retention
from messaging.publisher.retention import count_purgeable, purge
from messaging.settings import Alias
from monolith.models import Invoice
from monolith.models import User as MonolithUser
from users.models import User
from users.services import user_change_email, user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

AGE = timedelta(days=30)


def registered(number=0):
    return user_register(email=f"u{number}-{uuid.uuid4().hex[:6]}@example.org", name="U")


def erased(number=0):
    user = registered(number)
    user_erase(user_id=user.pk)
    return user


def consumer(name="billing", checkpoint=None):
    return Consumer.objects.using("users").update_or_create(name=name, defaults={"queue": name, "checkpoint": checkpoint})[0]


def send(*rows):
    """Mark all of them, or these, as sent."""
    chosen = Published.objects.using("users")
    (chosen.filter(pk__in=[row.pk for row in rows]) if rows else chosen.all()).update(status=SENT)


def age(days=40):
    """Make everything so many days old."""
    sequencer.stamp_pending("users")
    then = timezone.now() - timedelta(days=days)
    Published.objects.using("users").update(added=then)
    Ledger.objects.using("users").update(changed_at=then)


def place(user):
    return Ledger.objects.using("users").get(aggregate_id=str(user.pk)).position


def outbox():
    return list(Published.objects.using("users").order_by("added", "id"))


def subjects():
    return {row.body["subject"] for row in outbox()}


def tombstones():
    return set(Ledger.objects.using("users").filter(deleted=True).values_list("aggregate_id", flat=True))


def test_old_rows_that_everybody_passed_go_and_young_ones_stay():
    past = [registered(number) for number in range(3)]
    age()
    young = registered(9)
    send()
    sequencer.stamp_pending("users")
    consumer(checkpoint=place(young))
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.held, done.unsent) == (3, {}, 0)
    assert subjects() == {str(young.pk)}
    assert Ledger.objects.using("users").count() == User.objects.using("users").count() == len([*past, young])
    assert purge("users", older_than=AGE).outbox == 0


def test_a_row_that_was_not_sent_never_goes():
    for number in range(3):
        registered(number)
    age()
    waiting, failed, sent = outbox()
    Published.objects.using("users").filter(pk=failed.pk).update(status=FAILED)
    send(sent)
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.unsent) == (1, 2)
    assert {row.pk for row in outbox()} == {waiting.pk, failed.pk}


def test_one_that_never_reported_a_checkpoint_is_infinitely_behind():
    registered(), erased()
    age()
    send()
    consumer("billing", checkpoint=10**9)
    consumer("mail", checkpoint=None)
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.tombstones, done.held) == (0, 0, {"mail": 4})
    assert (len(outbox()), len(tombstones()), pages.floor(Alias("users"))) == (3, 1, 0)
    Consumer.objects.using("users").get(name="mail").delete()
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.tombstones) == (3, 1)


def test_each_consumer_holds_back_what_it_has_not_passed():
    users = [registered(number) for number in range(4)]
    age()
    send()
    consumer("fast", checkpoint=place(users[2]))
    consumer("slow", checkpoint=place(users[0]))
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.held) == (1, {"fast": 1, "slow": 3})
    assert subjects() == {str(user.pk) for user in users[1:]}


def test_an_old_event_stays_while_a_later_change_of_its_aggregate_is_not_passed():
    user = registered()
    age()
    send()
    consumer(checkpoint=place(user))
    user_suspend(user_id=user.pk, reason="x")
    send()
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.held) == (0, {"billing": 1})


def test_tombstones_go_with_their_rows_and_the_floor_moves():
    live, first, second = registered(1), erased(2), erased(3)
    age()
    send()
    consumer(checkpoint=place(first))
    gone = place(first)
    done = purge("users", older_than=AGE)
    assert (done.tombstones, done.held) == (1, {"billing": 3})
    assert pages.floor(Alias("users")) == gone
    assert tombstones() == {str(second.pk)}
    assert set(User.objects.using("users").values_list("pk", flat=True)) == {live.pk, second.pk}
    consumer(checkpoint=place(second))
    assert purge("users", older_than=AGE).tombstones == 1
    assert Ledger.objects.using("users").get().aggregate_id == str(live.pk)
    assert purge("users", older_than=AGE).tombstones == 0


def test_a_tombstone_whose_row_is_gone_already_goes():
    user = registered()
    User.objects.using("users").filter(pk=user.pk).delete()
    Ledger.objects.using("users").update(announced_version=2)
    age()
    send()
    assert purge("users", older_than=AGE).tombstones == 1
    assert not Ledger.objects.using("users").exists()


def test_a_tombstone_that_was_not_sent_yet_stays():
    untold, unsent = registered(1), registered(2)
    User.objects.using("users").filter(pk=untold.pk).delete()
    user_erase(user_id=unsent.pk)
    age()
    send(*[row for row in outbox() if row.body["subject"] == str(untold.pk)])
    done = purge("users", older_than=AGE)
    assert (done.tombstones, done.unannounced) == (0, 1)
    assert tombstones() == {str(untold.pk), str(unsent.pk)}


def test_a_row_that_was_written_to_again_is_not_deleted():
    user = erased()
    User.objects.using("users").filter(pk=user.pk).update(status="active", email="back@example.org")
    Ledger.objects.using("users").update(announced_version=3)
    age()
    send()
    done = purge("users", older_than=AGE)
    assert (done.tombstones, done.unclear) == (0, 1)
    assert User.objects.using("users").get().email == "back@example.org"


def test_a_write_in_between_saves_the_tombstone(monkeypatch):
    """The write comes after the tombstone was found safe, and before its row is locked."""
    user = erased()
    age()
    send()
    real, written = retention._remove, list[int]()

    def late(*arguments):
        if not written:
            written.append(User.objects.using("users").filter(pk=user.pk).update(name="Back"))
        return real(*arguments)

    monkeypatch.setattr(retention, "_remove", late)
    assert purge("users", older_than=AGE).tombstones == 0
    assert (User.objects.using("users").get().name, len(tombstones()), pages.floor(Alias("users"))) == ("Back", 1, 0)


def test_broken_off_in_the_middle_it_leaves_whole_batches(monkeypatch):
    monkeypatch.setattr("messaging.publisher.retention.BATCH_ROWS", 2)
    users = [erased(number) for number in range(5)]
    age()
    send()
    places = {place(user) for user in users}
    seen = []

    class Killed(Exception):
        pass

    def kill(step):
        seen.append(step)
        if seen.count("purge.tombstones") == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "listeners", [kill])
        with pytest.raises(Killed):
            purge("users", older_than=AGE)
    assert (len(tombstones()), User.objects.using("users").count(), pages.floor(Alias("users"))) == (3, 3, sorted(places)[1])
    assert purge("users", older_than=AGE).tombstones == 3
    assert pages.floor(Alias("users")) == max(places)


def test_a_dry_run_counts_the_same_and_removes_nothing():
    registered(1), erased(2), erased(3)
    User.objects.using("users").filter(pk=registered(4).pk).delete()
    age()
    send()
    before = len(outbox()), Ledger.objects.using("users").count(), User.objects.using("users").count()
    said = purge("users", older_than=AGE, dry_run=True)
    assert (len(outbox()), Ledger.objects.using("users").count(), User.objects.using("users").count()) == before
    assert pages.floor(Alias("users")) == 0
    assert count_purgeable("users", older_than=AGE) == 6 + 3
    assert purge("users", older_than=AGE) == said
    assert (said.outbox, said.tombstones, said.unannounced) == (6, 2, 1)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_story_nothing_goes_that_a_consumer_has_not_passed(monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.setattr("messaging.publisher.retention.BATCH_ROWS", 3)
    users = [registered(number) for number in range(12)]
    for user in rng.sample(users, 8):
        if rng.random() < 0.5:
            user_erase(user_id=user.pk)
        else:
            user_change_email(user_id=user.pk, email=f"{user.pk}@example.org")
    User.objects.using("users").filter(pk=rng.choice(users).pk).update(name="Silently")
    age()
    send(*[row for row in outbox() if rng.random() < 0.8])
    head = sequencer.head("users")
    checkpoints = {name: rng.choice([None, rng.randint(0, head), head]) for name in ("billing", "mail")}
    if rng.random() < 0.8:  # most have started
        checkpoints["billing"] = checkpoints["billing"] or head
        checkpoints["mail"] = checkpoints["mail"] or head - 2
    for name, checkpoint in checkpoints.items():
        consumer(name, checkpoint)
    passed = min(checkpoint or 0 for checkpoint in checkpoints.values())
    rows = {row.pk: row for row in outbox()}
    entries = {row.aggregate_id: row for row in Ledger.objects.using("users").all()}
    at = {row.aggregate_id: row.position or 0 for row in entries.values()}

    done = purge("users", older_than=AGE)

    removed = [row for pk, row in rows.items() if pk not in {row.pk for row in outbox()}]
    must_go = [row for row in rows.values() if row.status == SENT and at[row.body["subject"]] <= passed]
    assert {row.pk for row in removed} == {row.pk for row in must_go}
    left = set(Ledger.objects.using("users").values_list("aggregate_id", flat=True))
    gone = [entry for subject, entry in entries.items() if subject not in left]
    assert all(entry.deleted and at[entry.aggregate_id] <= passed and entry.version == entry.announced_version for entry in gone)
    assert not {entry.aggregate_id for entry in gone} & {row.body["subject"] for row in rows.values() if row.status != SENT}
    assert (done.outbox, done.tombstones) == (len(removed), len(gone))
    assert pages.floor(Alias("users")) == max((at[entry.aggregate_id] for entry in gone), default=0)
    assert {str(pk) for pk in User.objects.using("users").values_list("pk", flat=True)} == left


def test_a_row_that_others_protect_stays():
    """Another table of the reader's project may refer to the aggregate and forbid its deletion."""
    protected, free = erased(1), erased(2)
    age()
    send()

    def forbid(instance, **kwargs):
        if instance.pk == protected.pk:
            raise ProtectedError("invoices refer to it", {instance})

    pre_delete.connect(forbid, sender=User)
    try:
        done = purge("users", older_than=AGE)
    finally:
        pre_delete.disconnect(forbid, sender=User)
    assert (done.tombstones, done.unclear) == (1, 1)
    assert tombstones() == {str(protected.pk)}
    assert not User.objects.using("users").filter(pk=free.pk).exists()


def test_a_row_that_would_take_others_along_stays():
    """Deleting a user in the monolith deletes its invoices. A purge deletes no invoices."""
    billed, free = MonolithUser.objects.using("monolith").bulk_create(
        MonolithUser(email=f"{name}@example.org", name=name) for name in ("billed", "free")
    )
    Invoice.objects.using("monolith").create(user=billed, period="2026-11", amount_minor=1900, currency="EUR")
    MonolithUser.objects.using("monolith").update(status="erased", email="", name="")
    Ledger.objects.using("monolith").update(announced_version=F("version"))
    said = purge("monolith", older_than=timedelta(seconds=-1), dry_run=True)
    done = purge("monolith", older_than=timedelta(seconds=-1))
    assert (done.tombstones, done.unclear) == (1, 1)
    assert said == done
    assert Invoice.objects.using("monolith").get().user_id == billed.pk
    assert not MonolithUser.objects.using("monolith").filter(pk=free.pk).exists()


def test_an_invoice_that_comes_in_between_keeps_its_user(monkeypatch):
    user = MonolithUser.objects.using("monolith").create(status="erased")
    Ledger.objects.using("monolith").update(announced_version=F("version"))
    real = retention._remove

    def late(*arguments):
        Invoice.objects.using("monolith").create(user=user, period="2026-11", amount_minor=1900, currency="EUR")
        return real(*arguments)

    monkeypatch.setattr(retention, "_remove", late)
    assert purge("monolith", older_than=timedelta(seconds=-1)).tombstones == 0
    assert Invoice.objects.using("monolith").get().user_id == user.pk


def test_a_followers_rows_are_not_purged():
    user = MonolithUser.objects.using("monolith").create(status="erased")
    Ledger.objects.using("monolith").update(announced_version=F("version"))
    Ownership.objects.using("monolith").create(aggregate="monolith.user", owner="users")
    done = purge("monolith", older_than=timedelta(seconds=-1))
    assert (done.tombstones, count_purgeable("monolith", older_than=timedelta(seconds=-1))) == (0, 0)
    assert MonolithUser.objects.using("monolith").get().pk == user.pk


def test_a_change_that_is_not_in_the_feed_yet_holds_its_rows_back():
    user = registered()
    age()
    send()
    consumer(checkpoint=place(user))
    Ledger.objects.using("users").update(position=None)
    done = purge("users", older_than=AGE)
    assert (done.outbox, done.held) == (0, {"billing": 1})  # stamped again, after its checkpoint

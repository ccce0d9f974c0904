"""`split`: from the first row to the retirement, with what it refuses on the way."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing import cutovers
from billing.models import CachedUser
from billing.models import Invoice as BillingInvoice
from billing.services import invoice_mark_overdue
from messaging import ledger, ownership, reconcile, retention, splitting, steps
from messaging.client import Authority, Unreachable
from messaging.models import Consumer, Incident, Ledger, Ownership, Repair, Subscription
from messaging.tending import Tending
from monolith import standing
from monolith.models import Invoice, User
from tests.commands.calling import call
from users.models import User as Moved
from users.services import user_change_email, user_erase, user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("unguarded")]
FACTS = ("id", "email", "name", "status", "status_since", "suspension_reason", "created_at")
INVOICE_FACTS = ("id", "user_id", "period", "amount_minor", "currency", "status", "issued_at", "review_reason")


@pytest.fixture(autouse=True)
def web(live_server, settings, token_folder):
    """A server for both contexts' feeds."""
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: live_server.url}
    return live_server.url


def people(number: int) -> list[User]:
    rows = [User(email=f"u{n}@example.org", name=f"U{n}", status="suspended" if n % 5 == 0 else "active") for n in range(number)]
    return User.objects.using("monolith").bulk_create(rows)


def bill(users: list[User], period: str = "2026-11") -> list[Invoice]:
    rows = [Invoice(user=user, period=period, amount_minor=1900, currency="EUR", billed_to=user.name) for user in users]
    return Invoice.objects.using("monolith").bulk_create(rows)


def equal_users() -> bool:
    old = set(User.objects.using("monolith").values_list(*FACTS))
    return old == set(Moved.objects.using("users").values_list(*FACTS))


def equal_invoices() -> bool:
    old = set(Invoice.objects.using("monolith").values_list(*INVOICE_FACTS))
    return old == set(BillingInvoice.objects.using("billing").values_list(*INVOICE_FACTS))


def follow(context: str) -> None:
    """One look, as `tend` takes them every second."""
    tending = Tending(context)
    tending.look()


def test_it_loads_and_compares_and_run_twice_changes_nothing():
    people(23)
    first = call("split", "users", "--page-size", "7", "--json")
    assert (first.code, first.json["verdict"], first.json["rows"], first.json["owner"]) == (0, "in_sync", 23, "monolith")
    assert equal_users()
    before = list(Moved.objects.using("users").order_by("id").values())
    source = list(User.objects.using("monolith").order_by("id").values())
    again = call("split", "users", "--json")
    assert (again.code, again.json["verdict"], again.json["rows"]) == (0, "in_sync", 0)
    assert list(Moved.objects.using("users").order_by("id").values()) == before
    assert list(User.objects.using("monolith").order_by("id").values()) == source


def test_moved_rows_have_no_event_and_none_is_missing():
    people(3)
    call("split", "users")
    assert not ledger.unannounced("users").exists()
    assert not Incident.objects.using("users").exists()
    assert call("republish", "users", "--dry-run", "--json").json["missing"] == []


def test_billings_copy_gets_moved_users_by_their_position():
    call("consumers", "register", "billing", "--to", "users")
    people(4)
    call("split", "users")
    assert call("catch_up", "billing", "--from", "users").code == 0
    assert CachedUser.objects.using("billing").count() == 4
    assert not Incident.objects.using("billing").exists()


def test_invoices_move_without_the_name_that_they_were_billed_to():
    bill(people(6))
    ended = call("split", "billing", "--json")
    assert (ended.code, ended.json["verdict"], ended.json["rows"]) == (0, "in_sync", 6)
    assert equal_invoices()
    assert Consumer.objects.using("monolith").get(pk="billing").fields == sorted(set(INVOICE_FACTS) - {"id"})


def test_one_token_opens_the_feed_that_it_was_given_for(client, token_folder):
    people(1)
    call("split", "users")
    token = (token_folder / "users-at-monolith").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    head = Consumer.objects.using("monolith").get(pk="users").bootstrapped_to
    assert client.get(f"/api/monolith/changes/?since={head}", headers=headers).status_code == 200
    refused = client.get(f"/api/monolith_invoices/changes/?since={head}", headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (401, "unknown_token")


def test_swapped_addresses_pass_whatever_the_page():
    first, second, third = people(3)
    call("split", "users")
    with transaction.atomic(using="monolith"):
        addresses = second.email, third.email, first.email
        User.objects.using("monolith").update(email="")
        for user, email in zip((first, second, third), addresses, strict=True):
            User.objects.using("monolith").filter(pk=user.pk).update(email=email)
    ended = call("split", "users", "--page-size", "1", "--json")
    assert ended.json["verdict"] == "in_sync"
    assert equal_users()


def test_an_address_of_a_user_that_began_in_the_context_is_not_taken_away():
    own = user_register(email="u1@example.org", name="Own")
    people(3)
    ended = call("split", "users")
    assert ended.code == 3
    assert f"users.user {own.pk} began in users" in ended.err
    assert Moved.objects.using("users").get(pk=own.pk).email == "u1@example.org"
    user_change = User.objects.using("monolith").filter(email="u1@example.org").update(email="other@example.org")
    assert user_change == 1
    ended = call("split", "users", "--json")
    assert (ended.code, ended.json["verdict"], ended.json["began"]) == (0, "in_sync", 1)


def test_an_erased_and_a_deleted_user_are_tombstones_on_both_sides():
    erased, deleted, _ = people(3)
    call("split", "users")
    User.objects.using("monolith").filter(pk=erased.pk).update(status="erased", email="", name="")
    deleted_id = deleted.pk
    deleted.delete(using="monolith")
    ended = call("split", "users", "--json")
    assert ended.json["verdict"] == "in_sync"
    assert dict(Moved.objects.using("users").values_list("id", "status"))[deleted_id] == "erased"
    assert Moved.objects.using("users").get(pk=deleted_id).email == ""


def test_a_deleted_invoice_is_deleted_in_the_copy_and_its_month_is_free_again():
    user, other = people(2)
    old, _ = bill([user, other])
    call("split", "billing")
    user_id, old_id = user.pk, old.pk
    old.delete(using="monolith")
    (new,) = bill([user])
    ended = call("split", "billing", "--json")
    assert (ended.code, ended.json["verdict"]) == (0, "in_sync")
    assert equal_invoices()
    assert BillingInvoice.objects.using("billing").get(user_id=user_id).pk == new.pk
    assert Ledger.objects.using("billing").get(aggregate_id=str(old_id)).deleted


def test_a_late_page_brings_no_deleted_invoice_back():
    from messaging import pulling

    (invoice,) = bill(people(1))
    call("split", "billing")
    Invoice.objects.using("monolith").update(status="overdue")
    client = Authority("monolith_invoices", "billing")
    since = Subscription.objects.using("billing").get(pk="monolith_invoices").checkpoint
    late = client.changes(since)
    assert [row["id"] for row in late.results] == [str(invoice.pk)]
    invoice.delete(using="monolith")
    follow("billing")
    assert not BillingInvoice.objects.using("billing").exists()
    cache = pulling.cache_of("billing", "monolith_invoices")
    pulling.take("billing", "monolith_invoices", cache, late, since=since, source="follow")
    assert not BillingInvoice.objects.using("billing").exists()
    client.close()


def test_flip_and_back_with_writes_on_each_owner():
    users = people(5)
    assert call("split", "users").code == 0
    flipped = call("split", "users", "--flip", "--json")
    assert (flipped.code, flipped.json["owner"], flipped.json["follower"]) == (0, "users", "monolith")
    assert flipped.json["pause_ms"] >= 0
    new = user_register(email="new@example.org", name="New")
    user_erase(user_id=users[0].pk)
    user_change_email(user_id=users[1].pk, email="changed@example.org")
    follow("monolith")
    assert User.objects.using("monolith").get(pk=new.pk).name == "New"
    assert equal_users()
    back = call("split", "users", "--back", "--json")
    assert (back.code, back.json["owner"], back.json["verdict"]) == (0, "monolith", "in_sync")
    User.objects.using("monolith").filter(pk=new.pk).update(name="Renamed")
    follow("users")
    assert Moved.objects.using("users").get(pk=new.pk).name == "Renamed"
    assert equal_users()
    assert call("split", "users", "--flip").code == 0
    assert not Incident.objects.using("users").exists()
    assert not Incident.objects.using("monolith").exists()
    assert not Moved.objects.using("users").filter(origin_version=0).exists()


def test_flipped_twice_the_second_changes_nothing():
    people(3)
    call("split", "users")
    call("split", "users", "--flip")
    before = list(User.objects.using("monolith").order_by("id").values())
    again = call("split", "users", "--flip", "--json")
    assert (again.code, again.json["owner"], again.json["pause_ms"], again.json["rows"]) == (0, "users", None, 0)
    assert list(User.objects.using("monolith").order_by("id").values()) == before


def test_both_contexts_split_and_the_old_foreign_key_still_holds():
    users = people(3)
    bill(users)
    for context in ("users", "billing"):
        assert call("split", context).code == 0
        assert call("split", context, "--flip").code == 0
    new = user_register(email="new@example.org", name="New")
    BillingInvoice.objects.using("billing").create(
        user_id=new.pk, period="2026-12", amount_minor=1900, currency="EUR", user_version=1
    )
    invoice_mark_overdue(invoice_id=BillingInvoice.objects.using("billing").get(user_id=users[0].pk).pk)
    ended = call("split", "billing", "--json")  # the invoice waits for its user, who comes by the other feed
    assert (ended.code, ended.json["verdict"]) == (0, "in_sync")
    assert equal_invoices()
    assert Invoice.objects.using("monolith").get(user_id=new.pk).user.name == "New"
    assert Invoice.objects.using("monolith").get(user_id=users[0].pk).billed_to == "U0"
    assert call("split", "billing", "--back").code == 0
    assert BillingInvoice.objects.using("billing").get(user_id=new.pk).user_version == 1


def test_billing_flags_no_invoice_that_is_not_its_own_yet():
    call("consumers", "register", "billing", "--to", "users")
    (user,) = people(2)[1:]
    call("split", "users")
    call("catch_up", "billing", "--from", "users")
    bill([user])
    call("split", "billing")
    since = timezone.now() - timedelta(days=1)
    User.objects.using("monolith").filter(pk=user.pk).update(status="suspended", status_since=since)
    follow("users")
    assert call("catch_up", "billing", "--from", "users").code == 0
    assert CachedUser.objects.using("billing").get(pk=user.pk).status == "suspended"
    assert BillingInvoice.objects.using("billing").get().review_reason == ""


def test_a_suspension_that_billing_heard_of_before_the_invoices_were_its_own_flags_them_then():
    call("consumers", "register", "billing", "--to", "users")
    suspended, active = people(3)[1:]
    call("split", "users")
    bill([suspended, active])
    call("split", "billing")
    since = timezone.now() - timedelta(days=1)
    User.objects.using("monolith").filter(pk=suspended.pk).update(status="suspended", status_since=since)
    follow("users")
    call("catch_up", "billing", "--from", "users")
    assert call("split", "billing", "--flip").code == 0
    reasons = dict(BillingInvoice.objects.using("billing").values_list("user_id", "review_reason"))
    assert reasons[suspended.pk].startswith("The user was suspended at")
    assert reasons[active.pk] == ""
    follow("monolith")
    assert equal_invoices()
    assert list(ledger.unannounced("billing")) == []


def test_drift_is_exit_1_and_the_flip_is_refused_without_a_pause():
    people(4)
    call("split", "users")
    with ownership.following("users", "users.user"):
        Moved.objects.using("users").filter(email="u2@example.org").update(name="Tampered")
    paused: list[str] = []
    steps.listeners.append(paused.append)
    try:
        ended = call("split", "users", "--flip")
    finally:
        steps.listeners.remove(paused.append)
    assert ended.code == 1
    assert "monolith stays the owner. What differs: reconcile users --from monolith" in ended.err
    assert "split.paused" not in paused
    assert call("split", "users", "--json").code == 1
    assert call("split", "users", "--status", "--json").json["verdict"] == "drift"


def test_a_comparison_without_an_answer_is_no_difference(monkeypatch):
    people(2)
    call("split", "users")

    def away(*arguments):
        raise Unreachable("monolith doesn't answer.")

    monkeypatch.setattr(Authority, "fingerprints", away)
    for words in (["users"], ["users", "--flip"]):
        ended = call("split", *words)
        assert (ended.code, "can't be compared: no answer" in ended.err) == (3, True), ended
    assert call("split", "users", "--status", "--json").json["owner"] == "monolith"


def test_a_difference_that_shows_only_in_the_pause_lifts_it():
    people(4)
    call("split", "users")

    def interfere(step):
        if step == "split.loaded":
            User.objects.using("monolith").filter(email="u2@example.org").update(name="Renamed")
        elif step == "split.caught_up":
            with ownership.following("users", "users.user"):
                Moved.objects.using("users").filter(email="u2@example.org").update(name="Tampered")

    steps.listeners.append(interfere)
    try:
        ended = call("split", "users", "--flip")
    finally:
        steps.listeners.remove(interfere)
    assert (ended.code, "monolith stays the owner" in ended.err) == (1, True)
    assert User.objects.using("monolith").update(status="active") == 4
    assert call("split", "users", "--status", "--json").json["state"] == "settled"


def test_a_repair_of_the_follower_deletes_nothing_and_leaves_no_tombstone():
    people(4)
    call("split", "users")
    with ownership.following("users", "users.user"):
        Moved.objects.using("users").filter(email="u2@example.org").update(name="Tampered")
        Moved.objects.using("users").create(email="ghost@example.org", name="Ghost", origin_version=7)
    repaired = call("reconcile", "users", "--from", "monolith", "--repair", "--json")
    assert (repaired.code, repaired.json["counts"]["corrupt"], repaired.json["counts"]["ghost"]) == (0, 1, 1)
    assert equal_users()
    tampered = Moved.objects.using("users").get(email="u2@example.org")
    assert not Ledger.objects.using("users").get(aggregate_id=str(tampered.pk)).deleted


def erased_flipped_and_purged() -> User:
    """A user with an invoice, erased at `users` after the flip, and purged there once the monolith had passed it."""
    user, _ = people(2)
    bill([user])
    call("split", "users")
    assert call("split", "users", "--flip").code == 0
    user_erase(user_id=user.pk)
    follow("monolith")
    Published.objects.using("users").update(status=2)
    assert retention.purge("users", older_than=timedelta(seconds=-1)).tombstones == 1
    return user


def test_a_purge_at_the_owner_leaves_the_invoices_that_point_to_the_copy():
    user = erased_flipped_and_purged()
    assert reconcile.watch("monolith", "users").verdict == "in_sync"
    assert User.objects.using("monolith").get(pk=user.pk).status == "erased"
    assert Invoice.objects.using("monolith").filter(user=user).exists()
    Invoice.objects.using("monolith").all().delete()
    assert reconcile.watch("monolith", "users").verdict == "in_sync"
    assert not User.objects.using("monolith").filter(pk=user.pk).exists()
    assert not ledger.unannounced("monolith", "monolith.user").exists()


def test_a_repair_takes_out_no_ghost_that_others_point_to():
    people(2)
    call("split", "users")
    call("split", "users", "--flip")
    with ownership.following("monolith", "monolith.user"):
        ghosts = [User(email=f"ghost{number}@example.org", name="Ghost", origin_version=7) for number in range(2)]
        User.objects.using("monolith").bulk_create(ghosts)
    bill(ghosts[:1])
    ended = call("reconcile", "monolith", "--from", "users", "--repair", "--json")
    assert ended.code == 1, "one of them still differs"
    assert set(User.objects.using("monolith").filter(name="Ghost")) == {ghosts[0]}
    assert Invoice.objects.using("monolith").filter(user=ghosts[0]).exists()
    removed = Repair.objects.using("monolith").get().counts["removed"]
    assert [row["id"] for row in removed] == [str(ghosts[1].pk)]


class Killed(BaseException):
    """Stands in for SIGKILL between two steps; the tests of the processes send a real one."""


STEPS = ["split.guarded", "split.loaded", "split.paused", "split.caught_up", "split.taken", "split.given", "split.settled"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_call_goes_on(monkeypatch, step):
    people(6)
    reached: list[str] = []

    def kill(name):
        if name == step and not reached:
            reached.append(name)
            raise Killed

    monkeypatch.setattr(ownership, "lift", lambda guard: None)  # nor would a dead process lift its pause
    steps.listeners.append(kill)
    try:
        with pytest.raises(Killed):
            for words in (["users"], ["users", "--flip"]):
                assert call("split", *words).code == 0
    finally:
        steps.listeners.remove(kill)
    monkeypatch.undo()
    for words in (["users"], ["users", "--flip"]):
        assert call("split", *words).code == 0, words
    assert call("split", "users", "--status", "--json").json["owner"] == "users"
    assert equal_users()


def test_a_pause_that_is_too_short_changes_nothing(monkeypatch):
    people(3)
    call("split", "users")
    monkeypatch.setattr(ownership, "pause", lambda guard, longest, pause=ownership.pause: pause(guard, timedelta(seconds=-1)))
    ended = call("split", "users", "--flip")
    assert ended.code == 3
    assert "Both sides weren't equal in time" in ended.err
    assert "Nothing has changed" in ended.err
    assert User.objects.using("monolith").update(name="Goes on") == 3
    assert call("split", "users", "--status", "--json").json["owner"] == "monolith"


REFUSALS = [
    (["nobody"], 2, "is not a context"),
    (["monolith"], 2, "Nothing is declared to move into monolith"),
    (["users", "--flip"], 3, "First: split users"),
    (["users", "--back"], 3, "First: split users"),
    (["users", "--retire"], 3, "First: split users --flip"),
    (["users", "--max-pause", "soon"], 2, "is not a duration"),
    (["users", "--page-size", "0"], 2, "--page-size"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), REFUSALS, ids=[" ".join(row[0]) for row in REFUSALS])
def test_what_is_refused(words, code, sentence):
    ended = call("split", *words)
    assert (ended.code, sentence in ended.err) == (code, True), ended.err
    assert not Ownership.objects.using("monolith").exists()


def test_a_server_that_is_away_is_refused_and_guards_stay(settings):
    people(2)
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    ended = call("split", "users")
    assert ended.code == 3
    assert "doesn't answer" in ended.err
    assert User.objects.using("monolith").update(name="Goes on") == 2


def test_only_one_mover_at_a_time():
    people(1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:  # in a thread, for PostgreSQL's lock is its connection's
        with splitting.exclusive(splitting.split_of("users")):
            held.set()
            done.wait(30)
        connections["users"].close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    ended = call("split", "users")
    done.set()
    holder.join(30)
    assert (ended.code, "Another split of users is running" in ended.err) == (3, True)


def test_cancelled_it_leaves_no_guard_and_what_was_copied():
    people(3)
    call("split", "users")
    assert call("split", "users", "--cancel").code == 0
    assert user_register(email="new@example.org", name="New").pk
    assert User.objects.using("monolith").update(name="B") == 3
    assert Moved.objects.using("users").count() == 4
    assert call("split", "users", "--status", "--json").json["state"] == "not begun"
    assert not Consumer.objects.using("monolith").exists()


def test_a_cancel_that_was_killed_between_the_two_guards_goes_on():
    people(1)
    call("split", "users")
    reached: list[str] = []

    def kill(step):
        reached.append(step)
        if reached.count("split.unguarded") == 2:
            raise Killed

    steps.listeners.append(kill)
    try:
        with pytest.raises(Killed):
            call("split", "users", "--cancel")
    finally:
        steps.listeners.remove(kill)
    assert (Ownership.objects.using("users").exists(), Ownership.objects.using("monolith").exists()) == (False, True)
    assert call("split", "users", "--cancel").code == 0
    assert not Ownership.objects.using("monolith").exists()
    assert User.objects.using("monolith").update(name="B") == 1


def test_a_cancel_where_nothing_can_be_cancelled_says_why():
    ended = call("split", "billing", "--cancel")
    assert (ended.code, "billing isn't split: there is nothing to cancel." in ended.err) == (3, True)
    people(1)
    call("split", "users")
    call("split", "users", "--flip")
    assert "Give them back first: split users --back" in call("split", "users", "--cancel").err
    call("split", "users", "--retire")
    assert "users is split for good" in call("split", "users", "--cancel").err


def test_billing_decides_by_no_table_that_nobody_keeps_fresh():
    users = people(2)
    call("split", "users")
    call("split", "users", "--flip")
    cutovers.move(to="monolith", by="test")
    assert [user_id for user_id, *_ in standing.Users().after(None, 9)] == sorted(user.pk for user in users)
    Subscription.objects.using("monolith").update(confirmed_at=timezone.now() - timedelta(minutes=2))
    with pytest.raises(standing.Outdated, match="2 minutes ago"):
        standing.Users().one(users[1].pk)
    follow("monolith")
    assert standing.Users().one(users[1].pk)
    call("split", "users", "--retire")
    ended = call("generate_invoices", "--period", "2026-11")
    assert (ended.code, "belong to users now. This table isn't kept up to date any more" in ended.err + ended.out) == (3, True), (
        ended
    )
    assert not BillingInvoice.objects.using("billing").exists()


def test_retired_nobody_follows_and_the_old_table_takes_no_writes():
    people(3)
    call("split", "users")
    assert call("split", "users", "--cancel").code == 0
    call("split", "users")
    call("split", "users", "--flip")
    assert call("split", "users", "--cancel").code == 3
    before = list(User.objects.using("monolith").order_by("id").values())
    assert call("split", "users", "--retire").code == 0
    user_register(email="new@example.org", name="New")
    follow("monolith")
    assert list(User.objects.using("monolith").order_by("id").values()) == before
    with pytest.raises(ownership.MovedAway), ownership.writing("monolith", "monolith.user"):
        User.objects.using("monolith").update(name="Lost")
    assert call("split", "users", "--status", "--json").json["state"] == "retired"
    again = call("split", "users")
    assert (again.code, "split for good" in again.err) == (3, True)
    assert not Ownership.objects.using("users").exists()


def test_commands_that_write_what_moved_away_say_so():
    people(1)
    call("split", "users")
    ended = call("seed", "--users", "3")
    assert (ended.code, "users.user belongs to monolith: write there." in ended.err) == (3, True)


def test_an_owner_is_not_overwritten_by_a_command():
    people(2)
    call("split", "users")
    call("split", "users", "--flip")
    with ownership.following("monolith", "monolith.user"):
        User.objects.using("monolith").update(name="Tampered")
    ended = call("catch_up", "users", "--from", "monolith")
    assert (ended.code, "there is nothing to follow" in ended.err) == (3, True)
    assert not Moved.objects.using("users").filter(name="Tampered").exists()


def test_status_shows_who_is_followed_and_only_that():
    people(2)
    call("split", "users")
    pairs = lambda: {(row["consumer"], row["authority"]) for row in call("status", "--json").json["consumers"]}  # noqa: E731
    assert ("users", "monolith") in pairs()
    call("split", "users", "--flip")
    assert ("users", "monolith") not in pairs()
    assert ("monolith", "users") in pairs()


def test_a_catch_up_by_hand_brings_no_deleted_invoice_back(monkeypatch):
    """It is late with a page, as `tend` may be: of what it brings, nobody has a version any more."""
    from messaging import pulling

    (invoice,) = bill(people(1))
    call("split", "billing")
    Invoice.objects.using("monolith").update(status="overdue")
    real, late = pulling.take, list[str]()

    def take(*arguments, **options):
        if not late:
            late.append("the other reader is faster")
            invoice.delete(using="monolith")
            follow("billing")
        return real(*arguments, **options)

    monkeypatch.setattr(pulling, "take", take)
    assert call("catch_up", "billing", "--from", "monolith_invoices").code == 0
    assert late
    assert not BillingInvoice.objects.using("billing").exists()


def test_where_nothing_is_split_tending_asks_nobody(monkeypatch, caplog):
    asked = []
    monkeypatch.setattr("messaging.client.Authority._ask", lambda self, *words, **more: asked.append(words))
    for context in ("users", "monolith"):
        follow(context)
    assert asked == []
    assert caplog.text == ""
    assert not Subscription.objects.using("users").exists()


def test_following_is_quiet_and_needs_no_broker(caplog):
    people(2)
    call("split", "users")
    User.objects.using("monolith").create(id=uuid.uuid4(), email="later@example.org", name="Later")
    follow("users")
    assert equal_users()
    assert not [
        record for record in caplog.records if record.levelname in ("WARNING", "ERROR") and record.name.startswith("messaging")
    ]

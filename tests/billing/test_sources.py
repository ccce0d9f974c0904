"""Billing's port: each source says which users may be invoiced, and billing works the same with all of them."""

import random
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from billing import cutovers
from billing.errors import SourceAway
from billing.models import CachedUser, Cutover, Invoice, ShadowMismatch
from billing.services import invoices_flag_late, invoices_generate
from billing.sources import choice, shadow
from billing.sources.api import Api
from messaging.consumer import handlers
from messaging.publisher import consumers, tokens
from messaging.replica import pull
from messaging.replica.replica import Replica
from monolith import services as monolith
from monolith.models import User as MonolithUser
from tests.billing.test_invoices import cache
from tests.billing.test_policies import DEAD, confirm
from tests.delivery.stack import Stack
from users.models import User
from users.seeding import demo_users, save
from users.services import user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def to(source):
    cutovers.move(to=source, by="test", force=source == "cache")


def generate(period="2026-11", **options):
    return invoices_generate(period=period, **options)


def invoiced():
    return set(Invoice.objects.using("billing").values_list("user_id", flat=True))


def register(number):
    return [monolith.register(email=f"u{count}@example.org", name="U") for count in range(number)]


def copied(user_id, status="active", version=1):
    now = timezone.now()
    times = {"status_since": now, "authority_time": now, "received_at": now}
    CachedUser.objects.using("billing").create(user_id=user_id, status=status, version=version, source="event", **times)


def mismatches(**wanted):
    return ShadowMismatch.objects.using("billing").filter(**wanted)


@pytest.fixture
def users(api):
    """Ten active users at `users`, with copies at billing."""
    save(demo_users(10), with_events=False)
    pull.catch_up(Replica.of("billing", "users"))
    return list(User.objects.using("users").order_by("id"))


def test_the_cache_answers_by_default():
    (user,) = cache()
    run = generate()
    assert (run.source, run.issued, run.calls, run.seconds) == ("cache", 1, 0, 0.0)
    assert choice.current().one(user.pk) == (user.pk, "active", 1)
    assert choice.current().one(uuid.uuid4()) is None


# --- The monolith's tables ---


def test_the_monolith_says_who_may_be_invoiced(monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 2)
    ada, bob, eve, dan, _ = register(5)
    monolith.suspend(eve, "abuse report")
    monolith.delete(dan)
    to("monolith")
    run = generate()
    assert (run.source, run.issued, run.skipped, run.held, run.refused) == ("monolith", 3, 1, 0, False)
    assert run.calls == 2
    assert run.seconds > 0
    assert {ada.pk, bob.pk} <= invoiced()
    assert not {eve.pk, dan.pk} & invoiced()
    assert (generate().issued, generate().already) == (0, 3)


def test_a_late_suspension_flags_what_was_decided_by_another_authoritys_versions():
    """The monolith counts its own versions: its version 3 isn't later than version 2 of `users`."""
    (user,) = register(1)
    monolith.change_email(user, "new@example.org")
    monolith.change_email(user, "newer@example.org")
    to("monolith")
    generate()
    invoice = Invoice.objects.using("billing").get()
    assert invoice.user_version == 0
    flagged = invoices_flag_late(user_id=user.pk, status="suspended", since=invoice.issued_at - timedelta(seconds=1), version=2)
    assert flagged == 1


def test_a_live_source_has_no_age_to_judge():
    register(2)
    confirm(timedelta(days=9))
    to("monolith")
    assert generate(max_staleness=timedelta(0)).issued == 2


def test_one_user_is_asked_of_the_monolith():
    (user,) = register(1)
    to("monolith")
    assert choice.current().one(user.pk) == (user.pk, "active", 1)
    assert choice.current().one(uuid.uuid4()) is None


def test_a_monolith_without_its_table_ends_the_run_with_a_sentence(monkeypatch):
    (user,) = register(1)
    copied(user.pk)
    to("monolith")
    monkeypatch.setattr(MonolithUser._meta, "db_table", f"gone_{uuid.uuid4().hex}")
    run = generate()
    assert (run.issued, run.held, run.refused, run.away) == (0, 1, True, True)
    assert run.reason.startswith("Billing is down, because it reads users from the monolith's tables")


def test_a_process_without_the_monolith_says_so(settings):
    to("monolith")
    settings.BILLING = {"SOURCES": {name: path for name, path in settings.BILLING["SOURCES"].items() if name != "monolith"}}
    with pytest.raises(SourceAway, match="the monolith's tables, but this process runs only users and billing"):
        generate()


# --- The API ---


def test_the_api_is_asked_about_each_user(users, monkeypatch):
    monkeypatch.setattr(Api, "at_once", 4)
    user_suspend(user_id=users[0].pk, reason="the copy doesn't know yet")
    to("api")
    run = generate()
    assert (run.source, run.issued, run.skipped, run.calls) == ("api", 9, 1, 10)
    assert run.seconds > 0
    assert invoiced() == {user.pk for user in users[1:]}
    assert (generate().already, generate().calls) == (9, 10)


def test_the_api_is_asked_only_about_users_that_billing_knows(users):
    CachedUser.objects.using("billing").filter(pk=users[0].pk).delete()
    ghost = uuid.UUID(int=1)  # before all others; an unknown user at a page's end is requested again with the next page
    copied(ghost)
    to("api")
    run = generate()
    assert (run.issued, run.calls) == (9, 10)  # users without a copy aren't requested; users with only a copy aren't invoiced
    assert not {users[0].pk, ghost} & invoiced()
    Invoice.objects.using("billing").create(user_id=users[0].pk, period="2026-01", amount_minor=1, currency="EUR", user_version=1)
    assert generate().issued == 1
    assert users[0].pk in invoiced()


def test_a_page_of_unknown_users_is_not_the_end(users, monkeypatch):
    monkeypatch.setattr(Api, "at_once", 2)
    for number in range(5):
        copied(uuid.UUID(int=number + 1))  # before all others
    to("api")
    assert generate().issued == 10


def test_billing_is_down_when_users_is_down(users, settings):
    to("api")
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}
    run = generate()
    assert (run.issued, run.held, run.refused, run.away) == (0, 10, True, True)
    assert run.reason.startswith("Billing is down, because it reads users from the API of users and gets no answer: users doesn't")
    assert DEAD in run.reason


def test_an_invalid_token_is_reported(users, settings):
    to("api")
    settings.MESSAGING = {**settings.MESSAGING, "API_TOKEN": lambda consumer, authority: "nonsense"}
    run = generate()
    assert (run.issued, run.held, run.away) == (0, 10, True)
    assert "users refuses (401)" in run.reason


def test_users_killed_in_mid_run_stops_billing_and_nothing_is_half_done(monkeypatch, settings):
    monkeypatch.setattr(Api, "at_once", 4)
    save(demo_users(10), with_events=False)
    types, fields = handlers.wanted("billing", "users") or ([], [])
    consumers.register_consumer(authority="users", name="billing", types=types, fields=fields)
    token = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=1))
    stack = Stack("memory://")
    try:
        url = stack.web()
        settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda name: url, "API_TOKEN": lambda consumer, name: token}
        pull.catch_up(Replica.of("billing", "users"))
        to("api")
        run = generate(progress=lambda done: stack.kill("web") if "web" in stack.processes else None)
        assert (run.issued, run.held, run.refused, run.away) == (4, 6, True, True)
        assert Invoice.objects.using("billing").count() == 4
        url = stack.web()
        again = generate()
        assert (again.issued, again.already, again.held, again.refused) == (6, 4, 0, False)
    finally:
        stack.close()


# --- Shadow ---


def test_in_shadow_the_old_source_answers_and_every_user_is_compared():
    ada, bob, eve = register(3)
    monolith.suspend(eve, "abuse report")
    for user in (ada, bob, eve):
        copied(user.pk)
    to("monolith")
    to("shadow")
    run = generate()
    assert (run.source, run.issued, run.skipped) == ("shadow", 2, 1)
    assert invoiced() == {ada.pk, bob.pk}
    row = mismatches().get()
    assert (row.user_id, row.old_source, row.old_status, row.old_version) == (eve.pk, "monolith", "suspended", 2)
    assert (row.cache_status, row.cache_version, row.settled_at) == ("active", 1, None)
    assert str(row) == f"{str(eve.pk)[:8]}: monolith says suspended (v2), the cache says active (v1)"
    assert Cutover.objects.using("billing").get().agreed == 2


def test_a_mismatch_is_one_row_until_both_agree():
    (user,) = register(1)
    to("shadow")
    generate()
    generate()
    row = mismatches().get()
    assert (row.times, row.old_status, row.cache_status, row.cache_version) == (2, "active", "", None)
    copied(user.pk)
    generate()
    row.refresh_from_db()
    assert row.settled_at is not None
    CachedUser.objects.using("billing").update(status="suspended")
    generate()
    assert (mismatches().count(), mismatches(settled_at=None).count()) == (2, 1)


def test_users_that_are_only_in_the_copy_are_compared_too():
    (ghost,) = cache()
    cache("erased")  # the monolith deletes a row where `users` keeps a tombstone
    to("shadow")
    assert generate().issued == 0
    assert [(row.user_id, row.old_status, row.cache_status) for row in mismatches()] == [(ghost.pk, "", "active")]


def test_the_gates_own_looks_are_no_shadow_reads():
    (user,) = register(1)
    to("shadow")
    generate()
    copied(user.pk)
    for _ in range(3):
        assert not cutovers.look_again()
    assert not mismatches(settled_at=None).exists()
    assert Cutover.objects.using("billing").get().agreed == 0


def test_one_user_asked_in_shadow_is_compared():
    (user,) = register(1)
    to("shadow")
    assert choice.current().one(user.pk) == (user.pk, "active", 1)
    assert mismatches().get().user_id == user.pk


@pytest.mark.parametrize("seed", range(4))
def test_whatever_both_hold_exactly_the_differences_are_found(seed, monkeypatch):
    monkeypatch.setattr(shadow, "AT_ONCE", 3)
    monkeypatch.setattr("billing.services.BATCH", 4)
    chance = random.Random(seed)
    held = {}
    for _ in range(40):
        user_id, old, cached = uuid.UUID(int=chance.getrandbits(128)), *chance.choices(["active", "suspended", None], k=2)
        held[user_id] = old, cached
        if old:
            MonolithUser.objects.create(id=user_id, email=f"{user_id}@example.org", name="U", status=old)
        if cached:
            copied(user_id, cached)
    to("shadow")
    run = generate()
    assert run.issued == sum(old == "active" for old, _ in held.values())
    differ = {user_id for user_id, (old, cached) in held.items() if old != cached}
    assert set(mismatches().values_list("user_id", flat=True)) == differ
    known = {user_id for user_id, both in held.items() if any(both)}
    assert Cutover.objects.using("billing").get().agreed == len(known - differ)


def test_the_api_in_shadow(users):
    user_suspend(user_id=users[0].pk, reason="the copy doesn't know yet")
    to("api")
    to("shadow")
    run = generate()
    assert (run.issued, run.calls) == (9, 10)
    assert [(row.user_id, row.old_source) for row in mismatches()] == [(users[0].pk, "api")]


# --- The choice ---


def test_a_change_takes_effect_at_the_next_batch(monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 2)
    people = sorted(register(6), key=lambda user: user.pk)
    for user in people:
        copied(user.pk, "suspended" if user in (people[0], people[5]) else "active")
    monolith.suspend(people[3], "abuse report")
    run = generate(progress=lambda done: to("monolith"))
    # Users 1 and 2 by the copy, then 4 and 5 by the monolith.
    assert invoiced() == {people[number].pk for number in (1, 2, 4, 5)}
    assert (run.source, run.issued, run.skipped) == ("monolith", 4, 2)

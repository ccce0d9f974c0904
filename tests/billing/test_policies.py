"""Billing states how old its copy of the users may be, and what it does with an older one: hold, ask, or proceed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import CachedUser, Invoice
from billing.services import MAX_STALENESS, invoices_generate
from messaging.models import Subscription
from messaging.replica import lookup, pull
from messaging.replica.replica import Replica
from messaging.replica.staleness import Policy
from tests.billing.test_invoices import cache
from users.models import User
from users.seeding import demo_users, save
from users.services import user_reactivate, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HOUR = timedelta(hours=1)
DEAD = "http://127.0.0.1:9"


def confirm(ago, **values):
    """Make the copy seem confirmed so long ago."""
    values["confirmed_at"] = None if ago is None else timezone.now() - ago
    Subscription.objects.using("billing").update_or_create(authority="users", defaults=values)


def generate(policy=None, **options):
    return invoices_generate(period="2026-11", policy=policy, **options)


def invoices():
    return Invoice.objects.using("billing")


@pytest.fixture
def users(api):
    """Ten active users with copies at billing, confirmed an hour ago."""
    save(demo_users(10), with_events=False)
    pull.catch_up(Replica.of("billing", "users"))
    confirm(HOUR)
    return list(User.objects.using("users").order_by("id"))


@pytest.fixture
def away(settings):
    """Let the authority not answer."""
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}


def test_a_young_copy_is_decided_by_without_a_word():
    cache(number=3)
    confirm(timedelta(minutes=14))
    for policy in (None, *Policy):
        run = generate(policy)
        assert (run.issued + run.already, run.held, run.reason, run.refused) == (3, 0, "", False)


def test_hold_is_the_default_and_issues_nothing():
    cache(number=3)
    cache("suspended")
    confirm(HOUR)
    run = generate()
    assert (run.issued, run.skipped, run.held, run.refused) == (0, 1, 3, True)
    assert "1 hour ago" in run.reason
    assert "The accepted age is 15 minutes." in run.reason
    assert not invoices().exists()


def test_held_are_only_those_who_have_no_invoice_yet():
    cache(number=3)
    generate()
    cache(number=2)
    confirm(HOUR)
    assert generate().held == 2


def test_the_caller_may_accept_less_and_more():
    cache()
    confirm(timedelta(minutes=5))
    assert generate(max_staleness=timedelta(minutes=1)).held == 1
    confirm(HOUR)
    assert generate(max_staleness=timedelta(hours=2)).issued == 1


def test_a_copy_that_was_never_measured_is_decided_by_and_the_reason_says_so():
    cache()
    Subscription.objects.using("billing").create(authority="users")
    run = generate()
    assert (run.issued, run.held, run.refused) == (1, 0, False)
    assert run.reason == "The age of the copy of users isn't known: it was never confirmed to be caught up."


@pytest.mark.parametrize("said", [{"policy": Policy.HOLD}, {"max_staleness": timedelta(days=365)}])
def test_with_a_bound_or_a_policy_an_unknown_age_is_not_accepted(said):
    cache()
    run = generate(**said)
    assert (run.issued, run.held, run.refused) == (0, 1, True)
    assert "isn't known" in run.reason


def test_a_copy_that_is_behind_and_was_never_confirmed_is_too_old():
    cache()
    confirm(None, checkpoint=3, head=9)
    run = generate()
    assert (run.issued, run.held) == (0, 1)
    assert "6 positions behind" in run.reason


def test_an_empty_copy_that_is_too_old_is_refused_too():
    confirm(HOUR)
    run = generate()
    assert (run.issued, run.held, run.refused) == (0, 0, True)


def test_a_copy_that_grows_too_old_in_mid_run_holds_the_rest(monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 4)
    cache(number=10)
    confirm(timedelta(0))
    run = generate(progress=lambda done: confirm(MAX_STALENESS + timedelta(seconds=1)))
    assert (run.issued, run.held, run.refused) == (4, 6, True)
    assert invoices().count() == 4
    confirm(timedelta(0))
    again = generate()
    assert (again.issued, again.already, again.held) == (6, 4, 0)


def test_a_copy_that_grows_too_old_behind_the_last_batch_holds_nobody():
    cache(number=2)
    confirm(timedelta(0))
    run = generate(progress=lambda done: confirm(HOUR))
    assert (run.issued, run.held, run.reason, run.refused) == (2, 0, "", False)


def test_proceed_issues_and_says_how_old_the_copy_was():
    cache(number=2)
    confirm(timedelta(hours=3), checkpoint=1, head=5)
    run = generate(Policy.PROCEED)
    assert (run.issued, run.held, run.refused) == (2, 0, False)
    assert run.reason.startswith("The copy of users was last confirmed to be caught up 3 hours")
    assert "4 positions behind" in run.reason
    assert {invoice.staleness for invoice in invoices()} == {run.reason}


def test_after_proceed_a_suspension_that_comes_late_flags_the_invoice(users):
    user_suspend(user_id=users[0].pk, reason="test")
    assert generate(Policy.PROCEED).issued == 10
    pull.catch_up(Replica.of("billing", "users"))
    flagged = invoices().exclude(review_reason="")
    assert [invoice.user_id for invoice in flagged] == [users[0].pk]


def test_ask_decides_by_what_the_authority_says_now(users):
    user_suspend(user_id=users[0].pk, reason="test")
    user_suspend(user_id=users[1].pk, reason="test")
    user_reactivate(user_id=users[1].pk)
    run = generate(Policy.ASK)
    assert (run.issued, run.skipped, run.held, run.refused) == (9, 1, 0, False)
    assert run.reason.endswith("The accepted age is 15 minutes. Looked up: 10.")
    assert not invoices().filter(user_id=users[0].pk).exists()
    assert invoices().get(user_id=users[1].pk).user_version == 3
    assert {invoice.staleness for invoice in invoices()} == {""}
    assert set(CachedUser.objects.using("billing").filter(source="lookup").values_list("pk", flat=True)) == {
        users[0].pk,
        users[1].pk,
    }


def test_ask_calls_once_a_batch_and_only_about_users_to_decide(users, monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 4)
    asked = []

    def counting(replica, ids):
        asked.append(len(ids))
        return refresh(replica, ids)

    refresh = lookup.refresh
    monkeypatch.setattr(lookup, "refresh", counting)
    generate(Policy.ASK)
    assert asked == [4, 4, 2]
    assert generate(Policy.ASK).already == 10
    assert asked == [4, 4, 2]


def test_ask_holds_those_it_got_no_answer_about(users, away):
    run = generate(Policy.ASK)
    assert (run.issued, run.held, run.refused) == (0, 10, True)
    assert f"users doesn't answer at {DEAD}" in run.reason


def test_ask_holds_those_it_is_refused_about(users, settings):
    settings.MESSAGING = {**settings.MESSAGING, "API_TOKEN": lambda consumer, authority: "nonsense"}
    run = generate(Policy.ASK)
    assert (run.issued, run.held, run.refused) == (0, 10, True)
    assert "users refuses (401)" in run.reason


def test_ask_holds_users_that_the_authority_does_not_know(users):
    (ghost,) = cache()
    run = generate(Policy.ASK)
    assert (run.issued, run.held, run.refused) == (10, 1, True)
    assert "Not known to users: 1." in run.reason
    assert not invoices().filter(user_id=ghost.pk).exists()


def test_ask_goes_on_by_the_copy_where_it_is_young_again(users, away, monkeypatch):
    monkeypatch.setattr("billing.services.BATCH", 4)
    run = generate(Policy.ASK, progress=lambda done: confirm(timedelta(0)))
    assert (run.issued, run.held, run.refused) == (6, 4, True)
    assert invoices().count() == 6

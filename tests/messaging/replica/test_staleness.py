"""A copy's age counts from the last moment at which it was confirmed to be caught up."""

from datetime import timedelta

import pytest
from django.utils import timezone

from messaging.consumer import checkpoints
from messaging.models import Subscription
from messaging.replica import staleness

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
NOW = timezone.now()
BOUND = timedelta(minutes=15)


def subscribe(**values):
    return Subscription.objects.using("billing").create(authority="users", **values)


def age(now=NOW):
    return staleness.staleness("billing", "users", now)


def test_a_copy_that_was_never_confirmed_has_no_age():
    assert (age(), staleness.lag("billing", "users"), staleness.measured("billing", "users")) == (None, None, False)
    subscribe()
    assert (age(), staleness.lag("billing", "users"), staleness.measured("billing", "users")) == (None, None, False)


def test_it_counts_from_the_confirmation():
    subscribe(confirmed_at=NOW - timedelta(seconds=90), checkpoint=4, head=9)
    assert age() == timedelta(seconds=90)
    assert staleness.lag("billing", "users") == 5


def test_an_authority_whose_clock_is_ahead_makes_no_copy_young_in_advance():
    subscribe(checkpoint=4, head=4)
    ahead = timezone.now() + timedelta(hours=1)
    checkpoints.record_heartbeat("billing", "users", 4, ahead)
    assert age(ahead) >= timedelta(minutes=59)


def test_a_confirmation_of_a_clock_that_was_set_back_gives_way():
    subscribe(checkpoint=4, head=4, confirmed_at=timezone.now() + timedelta(hours=1))
    now = timezone.now()
    checkpoints.record_heartbeat("billing", "users", 4, now)
    assert age(now) == timedelta(0)
    assert age(now + timedelta(minutes=5)) == timedelta(minutes=5)


def test_a_confirmation_that_is_still_to_come_gives_no_negative_age():
    subscribe(confirmed_at=NOW + timedelta(seconds=30))
    assert age() == timedelta(0)


def test_a_checkpoint_beyond_the_head_is_no_negative_lag():
    subscribe(checkpoint=9, head=4)
    assert staleness.lag("billing", "users") == 0


def test_a_heartbeat_makes_young_only_what_is_caught_up():
    subscribe(checkpoint=4, head=4, confirmed_at=NOW - timedelta(hours=1))
    checkpoints.record_heartbeat("billing", "users", 6, NOW)
    assert (age(), staleness.lag("billing", "users")) == (timedelta(hours=1), 2)
    Subscription.objects.using("billing").update(checkpoint=6)
    checkpoints.record_heartbeat("billing", "users", 6, NOW)
    assert (age(), staleness.lag("billing", "users")) == (timedelta(0), 0)


def test_a_copy_that_is_young_enough_is_not_doubted():
    subscribe(confirmed_at=timezone.now() - timedelta(minutes=14), checkpoint=4, head=9)
    assert staleness.doubt("billing", "users", BOUND) == ""


def test_a_copy_that_is_too_old_is_doubted_with_its_age_and_lag():
    subscribe(confirmed_at=timezone.now() - timedelta(minutes=125), checkpoint=8, head=9)
    assert staleness.doubt("billing", "users", BOUND) == (
        "The copy of users was last confirmed to be caught up 2 hours 5 minutes ago, and is 1 position behind. "
        "The accepted age is 15 minutes."
    )


def test_a_copy_of_unknown_age_is_doubted():
    subscribe(checkpoint=2, head=9)
    assert staleness.measured("billing", "users")
    assert staleness.doubt("billing", "users", timedelta(days=999)).startswith(
        "The age of the copy of users isn't known: it was never confirmed to be caught up, and is 7 positions behind."
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (0.9, "0 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (930, "15 minutes 30 seconds"),
        (3_600, "1 hour"),
        (90_061, "1 day 1 hour"),
        (172_805, "2 days 5 seconds"),
    ],
)
def test_ages_in_words(seconds, words):
    assert staleness.span_in_words(timedelta(seconds=seconds)) == words

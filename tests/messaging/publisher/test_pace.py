"""How often a relay looks for events: soon if few come, seldom while writers are busy."""

import random

import pytest

from messaging.publisher.relay import DENSE_PER_SECOND, SPACING_SECONDS, WIDE_SPACING_SECONDS, Pace


def pauses(rate, seconds=20.0, seed=1):
    """Return a relay's pauses when so many events per second come at random."""
    events, pace, found, now = random.Random(seed), Pace(), [], 0.0
    arrival = events.expovariate(rate)
    while now < seconds:
        pace.begin(now)
        new = 0
        while arrival <= now:
            new, arrival = new + 1, arrival + events.expovariate(rate)
        found.append(round(pace.pause(new, now), 6))
        now += found[-1]
    return found


def test_under_little_traffic_every_pause_is_short():
    assert set(pauses(rate=DENSE_PER_SECOND / 2.5)) == {SPACING_SECONDS}


def test_under_dense_traffic_the_pauses_become_wide_and_stay_so():
    found = pauses(rate=DENSE_PER_SECOND * 1.6)
    wide = found.index(WIDE_SPACING_SECONDS)
    assert sum(found[:wide]) < 1.0
    assert found[wide:].count(WIDE_SPACING_SECONDS) > 0.9 * len(found[wide:])


def test_after_a_burst_the_pauses_are_short_again():
    pace, found = Pace(), []
    for turn, events in enumerate([0, 500, *[0] * 8]):
        pace.begin(turn * WIDE_SPACING_SECONDS)
        found.append(round(pace.pause(events, turn * WIDE_SPACING_SECONDS), 6))
    assert found[1] == WIDE_SPACING_SECONDS
    assert found[-1] == SPACING_SECONDS


def test_an_event_after_a_quiet_moment_does_not_count_as_dense():
    pace = Pace()
    pace.begin(0.0)
    pace.begin(10.0)
    assert pace.pause(1000, 10.0) == pytest.approx(SPACING_SECONDS)


def test_a_round_that_took_longer_than_the_pause_is_followed_at_once():
    pace = Pace()
    pace.begin(0.0)
    assert pace.pause(1, 3.0) == 0.0

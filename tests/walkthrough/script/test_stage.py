"""A stage's checks: what is expected, what is a fault on purpose, and what may take a while."""

import pytest

from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Check, Played, Result


def made() -> Stage:
    return Stage(Played("x"), {})


def test_a_check_and_a_fault_return_what_happened_and_show_it() -> None:
    stage = made()
    assert stage.check("It holds", True, 3)
    assert not stage.check("It doesn't", False)
    assert stage.fault("Billing invoices a suspended user", True, "1 invoice")
    assert not stage.fault("The event is lost", False)
    assert stage.played.entries == [
        Check("It holds", True, "3"),
        Check("It doesn't", False),
        Check("Billing invoices a suspended user", True, "1 invoice", fault=True),
        Check("The event is lost", False, fault=True),
    ]
    assert [check.result for check in stage.played.checks] == [Result.HOLDS, Result.FAILS, Result.PREDICTED, Result.FAILS]


def test_a_fault_may_take_a_while_and_is_red_when_time_is_up() -> None:
    stage = made()
    answers = iter([False, True])
    assert stage.eventually("The event is parked", lambda: next(answers), lambda: "1 parked", fault=True)
    assert not stage.eventually("It is parked again", lambda: False, timeout=0.01, fault=True)
    assert [check.result for check in stage.played.checks] == [Result.PREDICTED, Result.FAILS]
    assert stage.played.checks[0].seen.startswith("1 parked, after ")


def test_exactly_one_option_comes_true_by_its_condition() -> None:
    stage = made()
    stage.outcome(once=False, twice=True)
    assert stage.played.outcome == "twice"
    for options, found in (({"once": False, "twice": False}, "none"), ({"once": True, "twice": True}, "once, twice")):
        with pytest.raises(ValueError, match=f"exactly one of once, twice should come true; found: {found}"):
            made().outcome(**options)

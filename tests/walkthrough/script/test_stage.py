"""A stage's checks: what is expected, what is a fault on purpose, and what may take a while. And its programs that don't end."""

from collections.abc import Callable, Iterator

import psutil
import pytest

from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Check, Played, Ran, Result

ENDLESS = "import time\nnumber = 0\nwhile True:\n    print(f'try {number}')\n    number += 1\n    time.sleep(0.05)"


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


def waiting(act: Callable[[Stage], object]) -> list[str]:
    """What everybody saw that the step waits for, while it acted."""
    seen: list[str] = []
    played = Played("x")
    act(Stage(played, {}, waits=lambda: seen.append(played.waiting)))
    assert played.waiting == ""
    return seen


def test_a_wait_says_what_it_waits_for_but_not_if_there_is_nothing_to_wait_for() -> None:
    answers = iter([False, False, True])
    assert waiting(lambda stage: stage.wait("Waits until it is so", lambda: next(answers))) == ["Waits until it is so"]
    assert waiting(lambda stage: stage.wait("Waits", lambda: True)) == []
    late = iter([False, True])
    assert waiting(lambda stage: stage.eventually("It came", lambda: next(late))) == ["Waits until this holds: It came"]


def test_a_command_says_that_it_runs() -> None:
    assert waiting(lambda stage: stage.quietly("check", "--help")) == ["Runs `manage.py check --help`"]


def test_a_wait_inside_of_another_one_is_said_first_and_then_the_outer_one_again() -> None:
    def act(stage: Stage) -> None:
        with stage.waiting("outer"):
            stage.wait("inner", lambda: False, timeout=0)
            assert stage.played.waiting == "outer"

    assert waiting(act) == ["outer", "inner"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    yield Stage(Played("step"), {})
    assert not [one for one in psutil.Process().children() if one.is_running() and ENDLESS in one.cmdline()]


def test_a_program_without_an_end_is_stopped_when_it_has_printed_enough(stage: Stage) -> None:
    ran = stage.until("-c", ENDLESS, reached=lambda printed: printed.count("try") >= 3)
    assert "try 2" in ran.output
    assert ran.code == -15
    assert stage.played.entries == [ran]


def test_it_is_stopped_too_when_time_is_up(stage: Stage) -> None:
    ran = stage.until("-c", ENDLESS, reached=lambda printed: "never" in printed, timeout=0.5)
    assert ran.code == -15


def test_a_program_that_ends_by_itself_is_shown_with_its_exit_code(stage: Stage) -> None:
    assert stage.until("-c", "print('no'); raise SystemExit(3)", reached=lambda printed: False) == Ran(
        """python -c 'print('"'"'no'"'"'); raise SystemExit(3)'""", 3, "no"
    )

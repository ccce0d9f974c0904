"""Every breaking step asks first, and its code decides by what it found which of the question's options came true."""

import ast
import inspect
import textwrap
from collections.abc import Callable

import pytest

from tests.walkthrough.words import count
from walkthrough.chapters import CHAPTERS
from walkthrough.chapters.c01_draw_the_line import steps as c01
from walkthrough.script.chapter import Kind, Step

STEPS = [pytest.param(step, id=f"{chapter.number}-{step.name}") for chapter in CHAPTERS for step in chapter.steps]
ASKING = [one for one in STEPS if isinstance(step := one.values[0], Step) and step.prediction]
#: A question is read at a glance, with all of its options.
MOST_WORDS = 50


def conditions(run: Callable[..., None], method: str = "outcome") -> list[dict[str, ast.expr]]:
    """Option to its condition, for each call of `outcome` in a step's code. The helper of chapter 1 counts as its step's code."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(run)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(isinstance(call.func, ast.Name) and call.func.id == c01._outcome.__name__ for call in calls):
        return conditions(c01._outcome)
    return [
        {str(keyword.arg): keyword.value for keyword in call.keywords}
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == method
    ]


@pytest.mark.parametrize("step", STEPS)
def test_a_breaking_step_asks_first(step: Step) -> None:
    assert step.prediction or step.kind is not Kind.BREAK


@pytest.mark.parametrize("step", ASKING)
def test_its_options_are_those_that_its_code_decides_about_by_what_it_found(step: Step) -> None:
    assert step.prediction
    (found,) = conditions(step.run)
    assert list(found) == list(step.prediction.options)
    constant = [name for name, condition in found.items() if isinstance(condition, ast.Constant)]
    assert constant == [], "An option whose condition is a constant isn't decided by the run."


@pytest.mark.parametrize("step", ASKING)
def test_a_question_is_short_and_its_options_differ(step: Step) -> None:
    assert step.prediction
    question, options = step.prediction.question, list(step.prediction.options.values())
    assert question.endswith("?")
    assert len(set(options)) == len(options)
    assert not any(text.endswith(".") for text in options)
    assert count([question, *options]) <= MOST_WORDS

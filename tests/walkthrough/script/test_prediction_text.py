"""A step's question in `chapter.md`: how it is read, and what is said where it can't be."""

import pytest

from walkthrough.script.chapter import Prediction, Unplayable
from walkthrough.script.prediction_text import split

TEXT = """A process is killed.

It was busy.

**Predict:** How many events
arrive?

- all: All of them: none
  is lost
- none: None
"""


def test_a_step_without_a_question_keeps_its_text() -> None:
    assert split("x", "A process is killed.") == ("A process is killed.", None)


def test_the_question_and_its_options_are_taken_from_the_end_of_the_text() -> None:
    says, prediction = split("x", TEXT)
    assert says == "A process is killed.\n\nIt was busy."
    assert prediction == Prediction("How many events arrive?", {"all": "All of them: none is lost", "none": "None"})
    assert list(prediction.options) == ["all", "none"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- none: None\n", ""),
        ("- none: None\n", "- none: None\n- a: A\n- b: B\n- c: C\n"),
        ("- none: None\n", "- all: None\n"),
        ("- none: None\n", "- None\n"),
        ("- none: None\n", "- no-ne: None\n"),
        ("- none: None\n", "- none: None\n\nAnd more.\n"),
        ("- none: None\n", "- none: None\n\n1. one: One\n"),
        ("- all", "Choose:\n\n- all"),
    ],
)
def test_what_is_no_question_with_two_to_four_options_is_said_in_a_sentence(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(
        Unplayable, match="the step “x” asks for a prediction. Below the question there should be one list of 2 to 4"
    ):
        split("x", TEXT.replace(old, new, 1))

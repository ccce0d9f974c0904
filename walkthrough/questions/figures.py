"""The reader's own figures: what the checks of the played steps found."""

from dataclasses import dataclass

from walkthrough.chapters import chapter as by_number
from walkthrough.questions import QUESTIONS, Option, Question
from walkthrough.script import player
from walkthrough.script.player import Progress


@dataclass(frozen=True)
class Answer:
    """An option, and the reader's figure about it; None if its step isn't played."""

    option: Option
    figure: str | None
    #: False if the step's check failed.
    holds: bool = True


def answers() -> list[tuple[Question, list[Answer]]]:
    """Each question with its options and the figures from this run."""
    wanted = {option.chapter for question in QUESTIONS for option in question.options}
    found = {number: player.progress(by_number(number)) for number in wanted}
    return [(question, [_answer(option, found[option.chapter]) for option in question.options]) for question in QUESTIONS]


def _answer(option: Option, found: Progress) -> Answer:
    played = found.of(option.step)
    check = next((one for one in played.checks if one.claim.startswith(option.claim)), None) if played else None
    return Answer(option, option.figure.format(seen=check.seen), check.holds) if check else Answer(option, None)

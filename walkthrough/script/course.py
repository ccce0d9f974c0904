"""The way through the chapters: the short path, the minutes of each chapter, and how far the reader has come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from messaging.events.text import plural
from walkthrough.chapters import CHAPTERS
from walkthrough.script import now, player
from walkthrough.script.chapter import Chapter
from walkthrough.script.minutes import minutes

#: The chapters of the short path: the problem, the outbox, the copy, how to fill it, how to repair it, and the answers.
SHORT = (0, 3, 4, 5, 7, 12)


@dataclass(frozen=True)
class Stop:
    """A chapter on the way, and what was played of it."""

    chapter: Chapter
    minutes: int
    #: How many of its steps are played, without the stage.
    played: int
    green: bool
    #: True if its stage was set and no other chapter's since.
    on_stage: bool
    #: The step to look at next: the one that runs, or the first that isn't played. Empty if all are played.
    step: str

    @property
    def short(self) -> bool:
        return self.chapter.number in SHORT

    @property
    def done(self) -> bool:
        return self.played == len(self.chapter.steps)

    @property
    def begun(self) -> bool:
        return self.on_stage or self.played > 0

    @property
    def where(self) -> str:
        """Where the reader stands in it: "step 2 of 5"."""
        names, total = [step.name for step in self.chapter.steps], len(self.chapter.steps)
        if not self.step:
            return f"all {plural(total, 'step')} played"
        return f"step {names.index(self.step) + 1} of {total}" if self.step in names else "set its stage"


@dataclass(frozen=True)
class Entrance:
    """A button that leads into the chapters: to the first one that isn't done, or to the first if all are."""

    chapter: Chapter
    #: In steps of five: an estimate isn't more exact.
    minutes: int
    begun: bool


def stops() -> list[Stop]:
    """Every chapter, in order."""
    state = now.look()
    return [_stop(chapter, state) for chapter in CHAPTERS]


def entrance(way: Sequence[Stop]) -> Entrance:
    """The button for these chapters, with the minutes of those that aren't done."""
    left = [stop for stop in way if not stop.done]
    ahead = left or way
    return Entrance(ahead[0].chapter, in_fives(ahead), bool(left) and any(stop.begun for stop in way))


def in_fives(way: Iterable[Stop]) -> int:
    """The minutes for these chapters, rounded to five."""
    return max(5, 5 * round(sum(stop.minutes for stop in way) / 5))


def on_stage(way: Iterable[Stop]) -> Stop | None:
    """The chapter whose state the system is in; None if no stage was set."""
    return next((stop for stop in way if stop.on_stage), None)


def after(number: int) -> Chapter | None:
    """The next chapter of the short path; None if this chapter isn't on it, or is its last."""
    if number not in SHORT[:-1]:
        return None
    following = SHORT[SHORT.index(number) + 1]
    return next(chapter for chapter in CHAPTERS if chapter.number == following)


def _stop(chapter: Chapter, state: now.Now | None) -> Stop:
    found = player.progress(chapter)
    played = [one for step in chapter.steps if (one := found.of(step.name))]
    runs = state is not None and state.running and state.chapter == chapter.number
    return Stop(
        chapter,
        minutes(chapter),
        len(played),
        all(one.green for one in played),
        found.on_stage or runs,
        state.played.step if state and runs else player.following(chapter, found),
    )

"""A chapter's steps as cards: to be played later, next, running, or played with their outcome."""

from dataclasses import dataclass
from typing import Any, Literal

from walkthrough.chapters import CHAPTERS
from walkthrough.script import now, player, usual
from walkthrough.script.chapter import Chapter, Kind, Step
from walkthrough.script.transcript import Played

SETTING = Step(
    player.SETTING,
    "Set the stage",
    "Turns off all faults, starts all processes, and replaces the demo data with this chapter's starting state.",
    lambda stage: None,
)


#: A step's purpose in words, and the class of a tag that shows it.
PURPOSES = {Kind.DO: ("", ""), Kind.BREAK: ("breaks something", "bad"), Kind.MEND: ("repairs", "good")}


@dataclass(frozen=True)
class Card:
    """One step, with what the page shows of it."""

    step: Step
    #: Its place among the chapter's steps; 0 for the setting of the stage.
    number: int
    #: Whole seconds that it usually takes, where they are known.
    usual: int | None
    #: The step that runs, if it is this one.
    running: Played | None = None
    #: How it was played.
    played: Played | None = None
    #: True if it is the one to be played next.
    next: bool = False
    #: True if it may be played now.
    ready: bool = False
    #: True if a later step was played, so this one's result is folded.
    folded: bool = False

    @property
    def state(self) -> Literal["running", "played", "next", "later"]:
        if self.running:
            return "running"
        return "played" if self.played else "next" if self.next else "later"

    @property
    def setting(self) -> bool:
        return self.step is SETTING

    @property
    def tag(self) -> str:
        """What came of it, or else what it is for."""
        if self.running:
            return "running"
        return self.played.verdict if self.played else PURPOSES[self.step.kind][0]

    @property
    def look(self) -> str:
        """The tag's class."""
        if self.running:
            return "running"
        return self.played.result.look if self.played else PURPOSES[self.step.kind][1]

    @property
    def guess(self) -> str:
        """The text of the option that the reader chose."""
        played = self.running or self.played
        return self._option(played.guess) if played else ""

    @property
    def outcome(self) -> str:
        """The text of the option that came true; empty if a check failed."""
        return self._option(self.played.outcome) if self.played and not self.played.doubtful else ""

    def _option(self, name: str) -> str:
        return self.step.prediction.options.get(name, "") if self.step.prediction else ""


def context(chapter: Chapter, refused: str = "") -> dict[str, Any]:
    """The template context of a chapter's steps, as they are now."""
    state = now.look()  # first, so that the steps are never older than their stamp
    running = state.played if state and state.running else None
    here = running if state and state.chapter == chapter.number else None
    found = player.progress(chapter)
    following = player.following(chapter, found)
    steps = [(step, found.of(step.name)) for step in (SETTING, *chapter.steps)]
    cards = [
        Card(
            step=step,
            number=number,
            usual=_whole(usual.seconds(chapter.number, step.name, played.seconds if played else None)),
            running=here if here and here.step == step.name else None,
            played=played,
            next=step.name == following,
            ready=not running and (step.name == following or step is SETTING),
            folded=bool(here) or found.played[-1:] != [played],
        )
        for number, (step, played) in enumerate(steps)
    ]
    finished = all(card.played for card in cards[1:]) and not running
    return {
        "steps": cards,
        "now": state,
        "busy": running is not None,
        "refused": refused,
        "finished": finished,
        "green": all(card.played and card.played.green for card in cards[1:]),
        "running_step": next((card for card in cards if card.running), None),
        "next_step": None if finished else next((card for card in cards if card.next), None),
        "next_chapter": next((one for one in CHAPTERS if one.number > chapter.number), None),
        "on_stage": found.on_stage,
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds))

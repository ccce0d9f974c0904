"""The team's four questions. Each has options, with a verdict, the step that tries it, and the figure that this step finds.

The home page and the last chapter show them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

#: The chapter that closes with these questions.
CLOSING = 12
#: The question that this project answers, in the asker's own words.
SOURCE = "https://softwareengineering.stackexchange.com/questions/377300"
SITE = "Software Engineering Stack Exchange"


@dataclass(frozen=True)
class Option:
    """One way, and what became of it."""

    title: str
    #: The verdict, a sentence or two.
    says: str
    chapter: int
    #: The step that tries it.
    step: str
    #: The first words of the step's check that found the figure.
    claim: str
    #: The figure in words. `{seen}` stands for the value that the check found.
    figure: str = "{seen}"
    ours: bool = False


@dataclass(frozen=True)
class Question:
    number: int
    title: str
    situation: str
    options: tuple[Option, ...]

    def texts(self) -> Iterator[str]:
        yield self.title
        for option in self.options:
            yield from (option.title, option.says, option.figure)


SEED = Question(
    1,
    "A new context starts with an empty copy. How is it filled?",
    "Billing is new. The users context has run for years, and nobody kept the old events.",
    (
        Option(
            "Read the owner’s feed, page by page",
            "It runs beside live events. After a crash it continues, because each page has a position.",
            5,
            "resume",
            "It resumed after page",
            "After the crash: {seen}",
            ours=True,
        ),
        Option(
            "Read the owner’s tables",
            "It is quick the first time. But the rows have no version to compare, and a renamed column breaks the script.",
            5,
            "direct",
            "But no row has a version",
            "Compared, {seen}",
        ),
        Option(
            "Build a narrow interface for one release",
            "Clean, until another context or a repair needs a fact that it leaves out.",
            5,
            "narrow",
            "The active users are missing",
        ),
        Option(
            "Start now, without the past",
            "Enough if only new users matter. Every other user costs a request at first use.",
            5,
            "from-now",
            "Unknown users are looked up",
            "Lookups: {seen}",
        ),
    ),
)
SILENCE = Question(
    2,
    "For an hour, no event was recorded. How is it repaired?",
    "A bug in the publisher: the rows changed, the queue stayed empty, and no program failed.",
    (
        Option(
            "Each consumer pulls what it missed",
            "The gap in the positions shows that something is missing. The sync process fills it within seconds.",
            7,
            "pull",
            "The sync process pulls",
            ours=True,
        ),
        Option(
            "Record the missing events now",
            "First you must know which ones. If each row has a version, one query finds them.",
            7,
            "republish",
            "`republish users` records one event",
            "{seen} recorded",
        ),
        Option(
            "Send the original events late",
            "Harmless if a copy only accepts newer versions. Otherwise they undo later changes.",
            7,
            "late",
            "All are obsolete",
            "Since the stage was set: {seen}",
        ),
        Option(
            "Every team reads the API again",
            "It works after somebody has noticed the gap, and it reads every row to find a few.",
            5,
            "keep",
            "With a grant for an hour",
            "A whole copy: {seen}",
        ),
    ),
)
TRUTH = Question(
    3,
    "Which is right, the events or the API?",
    "They disagree about one user. One says active, the other says suspended.",
    (
        Option(
            "The owner’s rows; events only bring the news",
            "A lost event then costs seconds, and a comparison proves that both sides are equal.",
            12,
            "stream",
            "Copy and authority are equal",
            "All events and the copy deleted: {seen}",
            ours=True,
        ),
        Option(
            "The event stream",
            "It is right only if it has every change. A change that nobody recorded is missing, even with event sourcing.",
            7,
            "pull",
            "An incident names each",
            "The incident: {seen}",
        ),
        Option(
            "The API, asked each time",
            "Always the newest answer, and no answer while its owner is down.",
            2,
            "down",
            "No invoice is issued",
            "With the API stopped: {seen}",
        ),
        Option(
            "The newer of the two",
            "A message may be sent before its change commits. If the commit fails, the newer side is wrong.",
            3,
            "send-first",
            "The suspension was never committed",
            "After the crash, {seen}",
        ),
    ),
)
STEPS = Question(
    4,
    "Which steps lead there, and can we go back?",
    "The monolith earns money today. There is no weekend for a rewrite.",
    (
        Option(
            "First draw the line in the code",
            "The one database stays. Imports and foreign keys across the line go, one by one.",
            1,
            "knots",
            "Billing's table keeps the user's id",
            "The user’s id at billing: {seen}",
            ours=True,
        ),
        Option(
            "Announce facts, and keep a copy that no decision uses",
            "For weeks, compare the copy with the monolith’s answers. You can delete the copy at any time.",
            6,
            "shadow",
            "Both agree on every user",
            "Shadow reads: {seen}",
            ours=True,
        ),
        Option(
            "Cut over behind a gate",
            "One setting changes where decisions read. The same setting changes it back.",
            6,
            "roll-back",
            "Going back is always allowed",
            "Back again, {seen}",
            ours=True,
        ),
        Option(
            "Move out last",
            "Once the rest works, a change of settings gives billing its own process and database.",
            11,
            "away",
            "Billing creates invoices from its copy",
            "With the users context stopped: {seen}",
            ours=True,
        ),
    ),
)
QUESTIONS = (SEED, SILENCE, TRUTH, STEPS)

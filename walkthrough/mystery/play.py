"""The rules: start a mystery, ask for a hint, diagnose and repair, give up. For the page and the command alike."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import connections
from django.utils import timezone

from messaging.errors import MessagingError
from messaging.events.text import kind
from walkthrough.control import concealed, demo_only, faults, processes, reset
from walkthrough.lab import processes as switches
from walkthrough.mystery import choice, looks, order, repairs, state
from walkthrough.mystery.causes import cause as cause_named
from walkthrough.mystery.scene import Scene
from walkthrough.mystery.state import Answer, Mystery, Phase
from walkthrough.script import player
from walkthrough.script.one_player import alone
from walkthrough.script.transcript import Check

log = logging.getLogger(__name__)
#: Errors whose message says what to do.
CLEAR = (MessagingError, demo_only.RealData, processes.SystemNotRunning, processes.WouldNot, player.CanNotPlay)
Begun = Callable[[], None]


class NotNow(Exception):
    """No mystery is open, or one is. The text may be shown."""


class Unknown(Exception):
    """The mystery doesn't offer this cause or repair. The text may be shown."""


def nothing() -> None:
    pass


def current() -> Mystery:
    """Return the open mystery. Raises `NotNow`, also while it is being prepared or checked."""
    found = state.look()
    if found and found.busy:
        raise NotNow(f"Mystery {found.seed} is being prepared, or a repair is being checked. Wait until that ends.")
    if found is None or not found.open:
        raise NotNow(found.why if found and found.why else "No mystery is open. Start one: manage.py mystery start")
    return found


def must_not_be_open() -> None:
    """Raise `NotNow` if a mystery is open."""
    found = state.look()
    if found and (found.open or found.busy):
        raise NotNow(f"Mystery {found.seed} is open. Solve it, or give up: manage.py mystery give-up")


def start(seed: int | None = None, begun: Begun = nothing) -> Mystery:
    """Set the stage, and switch the seed's fault on; without a seed, pick one. `begun` is called when everybody sees it.

    Raises `NotNow`, and the errors in `CLEAR`.
    """
    must_not_be_open()
    processes.states()
    demo_only.check()

    def new() -> Mystery:
        must_not_be_open()
        return Mystery(choice.new_seed() if seed is None else seed)

    with state.working(new, Phase.STARTING) as mystery:
        begun()
        try:
            _stage(mystery)
        except BaseException as error:
            mystery.why = f"The mystery couldn't be prepared: {error}"
            mystery.enter(Phase.GONE)
            faults.mend_all()
            switches.start_all()
            raise
    return mystery


def _stage(mystery: Mystery) -> None:
    reset.reset()
    concealed.conceal(mystery.seed, early=True)
    mystery.staged, mystery.system = timezone.now().timestamp(), processes.supervisor_pid()
    state.take_stage(mystery)
    mystery.ticket = choice.cause_of(mystery.seed).begin(Scene(mystery.seed))
    concealed.conceal(mystery.seed, early=False)
    mystery.opened = timezone.now().timestamp()
    looks.begin()
    mystery.enter(Phase.OPEN)


def hint() -> str:
    """Return the next hint. Raises `NotNow`, and `CanNotPlay` while somebody changes the system."""
    current()
    with alone():
        mystery = current()
        found = choice.cause_of(mystery.seed).hints
        if mystery.hints < len(found):
            mystery.hints += 1
            state.write(mystery)
        return found[mystery.hints - 1]


def solve(cause: str, repair: str, begun: Begun = nothing) -> Mystery:
    """Carry the repair out, check the system, and say if the cause is right. Both right: the mystery is solved.

    Raises `Unknown`, `NotNow`, and the errors in `CLEAR`.
    """

    def offering() -> Mystery:
        mystery = current()
        _offered("cause", cause, [one.name for one in choice.causes_of(mystery.seed)])
        _offered("repair", repair, [one.name for one in choice.repairs_of(mystery.seed)])
        return mystery

    offering()
    processes.states()
    with state.working(offering, Phase.CHECKING) as mystery:
        begun()
        mystery.tries += 1
        right = cause == choice.cause_of(mystery.seed).name
        said, checks = _repaired(repair, mystery)
        mystery.answer = Answer(cause, repair, right, said, tuple(checks))
        _finish(mystery, Phase.SOLVED) if right and mystery.answer.healed else mystery.enter(Phase.OPEN)
    return mystery


def give_up(begun: Begun = nothing) -> Mystery:
    """Show the answer, and put the system in order by the right repair. Raises `NotNow`, and the errors in `CLEAR`."""
    current()
    processes.states()
    with state.working(current, Phase.CHECKING) as mystery:
        begun()
        cause = choice.cause_of(mystery.seed)
        said, checks = _repaired(cause.repairs[0], mystery)
        mystery.answer = Answer(cause.name, cause.repairs[0], False, said, tuple(checks))
        if not mystery.answer.healed:  # the reader broke more than the mystery did
            said, checks = f"{said} {_replaced()}", _checked(timezone.now())
            mystery.answer = Answer(cause.name, cause.repairs[0], False, said, tuple(checks))
        _finish(mystery, Phase.SHOWN)
    return mystery


def about(mystery: Mystery) -> str:
    """Say of the cause that was named what speaks for it, or what would."""
    assert mystery.answer  # noqa: S101  (called after a diagnosis)
    named = cause_named(mystery.answer.cause)
    sign = named.signs[0]
    text = f"{named.title}."
    return text if mystery.answer.right else f"{text} If that were so, you would see this ({sign.place.title}): {sign.text}"


def _repaired(name: str, mystery: Mystery) -> tuple[str, list[Check]]:
    since = datetime.fromtimestamp(mystery.staged, UTC)
    said = repairs.carry_out(repairs.repair(name), since)
    checks = _checked(since)
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
    return said, checks


def _checked(since: datetime) -> list[Check]:
    try:
        return order.check(since)
    except Exception as error:
        log.exception("a mystery's check")
        return [Check("The system can be checked", False, f"It failed: {kind(error)}: {error}")]


def _replaced() -> str:
    try:
        reset.reset()
    except Exception as error:
        log.exception("a mystery's end")
        return f"More was broken, and the demo data couldn't be replaced. It failed: {kind(error)}: {error}"
    return "More was broken, so the demo data was replaced."


def _finish(mystery: Mystery, phase: Phase) -> None:
    faults.mend_all()
    mystery.ended, mystery.looks = timezone.now().timestamp(), looks.end()
    mystery.enter(phase)


def _offered(what: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise Unknown(f"This mystery offers no {what} {name!r}. It offers: {', '.join(names)}.")

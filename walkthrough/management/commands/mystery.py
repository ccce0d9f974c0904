"""`mystery start`, `hint`, `solve`, `give-up`, `status`: find out what is broken in the running system, in a terminal."""

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterator
from typing import Any

from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, Refused, WrongUsage
from walkthrough.mystery import choice, looks, play, state
from walkthrough.mystery.state import Mystery, Phase

ACTIONS = {
    "start": "switch one of twelve faults on, unseen; --seed repeats one",
    "status": "show the ticket, the time, and the causes and repairs to choose from",
    "hint": "show the next hint",
    "solve": "name the cause, and carry out a repair",
    "give-up": "show the answer, and put the system in order",
}


class Command(BaseCommand):
    help = "One of twelve faults is switched on in the running system. Find it by the pages, the admin and the other commands."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS))
        added = {
            name: actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.") for name, text in ACTIONS.items()
        }
        added["start"].add_argument(
            "--seed", type=int, metavar="N", help=f"0 to {choice.LARGEST_SEED}; the same number is the same fault"
        )
        added["solve"].add_argument("--cause", required=True, metavar="NAME", help="a cause, as `mystery status` names it")
        added["solve"].add_argument("--repair", required=True, metavar="NAME", help="a repair, as `mystery status` names it")
        for action in added.values():
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print the result as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        act = {"start": self._start, "status": self._status, "hint": self._hint, "solve": self._solve, "give-up": self._give_up}
        try:
            act[options["action"]](options)
        except play.Unknown as error:
            raise WrongUsage(str(error)) from None
        except (play.NotNow, *play.CLEAR) as error:
            raise Refused(str(error)) from None

    def _start(self, options: dict[str, Any]) -> None:
        seed = options["seed"]
        if seed is not None and not 0 <= seed <= choice.LARGEST_SEED:
            raise WrongUsage(f"--seed {seed} is out of range. Choose 0 to {choice.LARGEST_SEED}.")
        self.stderr.write("Setting the stage, and breaking something …")
        self._show(play.start(seed), options)

    def _status(self, options: dict[str, Any]) -> None:
        found = state.look()
        if found is None or not found.open:
            why = found.why if found and found.why else "No mystery is open. Start one: manage.py mystery start"
            self.result(options, {"phase": found.phase if found else "none"}, why)
            return
        self._show(found, options)

    def _hint(self, options: dict[str, Any]) -> None:
        text = play.hint()
        self.result(options, {"hint": text}, text)

    def _solve(self, options: dict[str, Any]) -> None:
        self.stderr.write("Carrying the repair out, and checking …")
        found = play.solve(options["cause"], options["repair"])
        self.result(options, _values(found), "\n".join(_verdict(found)))
        if found.phase is not Phase.SOLVED:
            raise Found("Not solved yet. Look again: manage.py mystery status")

    def _give_up(self, options: dict[str, Any]) -> None:
        self.stderr.write("Putting the system in order …")
        found = play.give_up()
        self.result(options, _values(found), "\n".join(_explained(found)))

    def _show(self, found: Mystery, options: dict[str, Any]) -> None:
        self.result(options, _values(found), "\n".join(_in_words(found)))


def _values(found: Mystery) -> dict[str, Any]:
    """What scripts read. The fault isn't in it before the end."""
    values: dict[str, Any] = {
        "seed": found.seed,
        "phase": found.phase,
        "ticket": found.ticket.text if found.ticket else "",
        "user": found.ticket.user if found.ticket else "",
        "seconds": found.seconds,
        "looks": found.looks if found.ended else len(looks.seen()),
        "tries": found.tries,
        "hints": found.hints,
        "causes": {one.name: one.title for one in choice.causes_of(found.seed)},
        "repairs": {one.name: one.title for one in choice.repairs_of(found.seed)},
    }
    if found.answer:
        values |= {
            "cause_right": found.answer.right,
            "healed": found.answer.healed,
            "said": found.answer.said,
            "checks": [{"claim": one.claim, "holds": one.holds, "seen": one.seen} for one in found.answer.checks],
        }
    return values if not found.ended else values | {"cause": choice.cause_of(found.seed).name}


def _in_words(found: Mystery) -> Iterator[str]:
    yield f"Mystery {found.seed}"
    yield found.ticket.text if found.ticket else ""
    yield f"{found.seconds} s, {plural(len(looks.seen()), 'look')}, {plural(found.tries, 'diagnosis', 'diagnoses')} so far."
    for title, names in (("Causes", choice.causes_of(found.seed)), ("Repairs", choice.repairs_of(found.seed))):
        yield f"\n{title}:"
        yield from (f"  {one.name:25} {one.title}" for one in names)
    yield "\nThen: manage.py mystery solve --cause NAME --repair NAME"


def _verdict(found: Mystery) -> Iterator[str]:
    answer = found.answer
    assert answer  # noqa: S101  (it was just given)
    yield f"Cause: {'right' if answer.right else 'wrong'}. {play.about(found)}"
    yield f"Repair: {answer.said}"
    yield from (f"  {'✓' if one.holds else '✗'} {one.claim}{f' ({one.seen})' if one.seen else ''}" for one in answer.checks)
    if found.phase is Phase.SOLVED:
        tries = plural(found.tries, "diagnosis", "diagnoses")
        yield f"Solved after {found.seconds} s and {plural(found.looks, 'look')}, with {tries}."
        yield from _explained(found)
    elif answer.healed:
        yield "The system is in order. Its cause is still to be found."


def _explained(found: Mystery) -> Iterator[str]:
    cause = choice.cause_of(found.seed)
    yield f"\n{cause.title}. {cause.did}"
    yield "Where you could have seen it:"
    yield from (f"  {sign.place.title}: {sign.text}" for sign in cause.signs)

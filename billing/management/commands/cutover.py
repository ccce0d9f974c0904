"""`cutover billing --to shadow` chooses the source of users; without `--to` it shows the present one and what the gate lacks."""

import getpass
from argparse import ArgumentParser
from typing import Any

from billing import cutovers
from billing.cutovers import CONTEXT, DATABASE, SHADOW_READS, State
from billing.errors import CutoverRefused
from billing.models import Cutover
from messaging.events import plural
from messaging.management import Command as BaseCommand
from messaging.management import Refused, WrongUsage, database_errors_as_refusals


class Command(BaseCommand):
    help = (
        "Choose the source that billing reads users from; without --to, show it and what is missing before the cache may answer. "
        "Running processes follow at their next batch. Only the step to the cache is guarded."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("consumer", help=f"the context that reads users: {CONTEXT}")
        parser.add_argument("--to", choices=Cutover.Source.values, help="the source to read users from")
        parser.add_argument(
            "--shadow-reads",
            type=int,
            metavar="N",
            help=f"the number of shadow reads that must agree before --to cache (default {SHADOW_READS})",
        )
        parser.add_argument("--force", action="store_true", help="with --to cache: go ahead although the gate refuses")
        parser.add_argument("--reason", default="", metavar="TEXT", help="the reason, for the history in the admin")

    def handle(self, *args: Any, **options: Any) -> None:
        to, wanted = options["to"], options["shadow_reads"]
        if options["consumer"] != CONTEXT:
            raise WrongUsage(f"{options['consumer']!r} can't choose a source of users. Only {CONTEXT} can.")
        if wanted is not None and wanted < 0:
            raise WrongUsage(f"--shadow-reads {wanted}: it can't be less than 0.")
        if options["force"] and to != Cutover.Source.CACHE:
            raise WrongUsage("--force is only for --to cache: no other step is guarded.")
        wanted = SHADOW_READS if wanted is None else wanted
        with database_errors_as_refusals(DATABASE):
            if to is None:
                self._show(options, wanted)
            else:
                self._move(options, to, wanted)

    def _show(self, options: dict[str, Any], wanted: int) -> None:
        state = cutovers.state(wanted=wanted)
        self.result(options, _values(state, wanted), "\n".join(_lines(state, wanted)))

    def _move(self, options: dict[str, Any], to: str, wanted: int) -> None:
        try:
            step = cutovers.move(to=to, by=getpass.getuser(), wanted=wanted, force=options["force"], reason=options["reason"])
        except CutoverRefused as error:
            state = cutovers.now(lacks=error.lacks)
            if options["json"]:
                self.result(options, _values(state, wanted, moved=False, forced=False), "")
            raise Refused(f"Billing stays with {_label(state)}. {error}") from None
        state = cutovers.now()
        text = f"Billing {'now' if step else 'already'} reads users from {_label(state)}."
        if step and step.forced:
            text += f" Forced; the history in the admin says so. {step.reason}"
        self.result(options, _values(state, wanted, moved=step is not None, forced=bool(step and step.forced)), text)


def _lines(state: State, wanted: int) -> list[str]:
    cutover = state.cutover
    since = f" since {cutover.since:%Y-%m-%d %H:%M:%S} UTC" if state.chosen else " (the default)"
    lines = [f"Billing reads users from {_label(state)}{since}."]
    if cutover.source == Cutover.Source.SHADOW:
        old = Cutover.Source(cutover.old).label
        lines.append(f"The answers come from {old}. {plural(cutover.agreed, 'shadow read')} agreed; the cache needs {wanted}.")
    lines.append(f"Open shadow mismatches: {state.mismatches}.")
    if cutover.source != Cutover.Source.CACHE:
        lines.append(
            "Missing before the cache may answer:" if state.lacks else "The cache may answer: manage.py cutover billing --to cache"
        )
        lines += [f"- {lack}" for lack in state.lacks]
    return lines


def _label(state: State) -> str:
    return str(Cutover.Source(state.cutover.source).label)


def _values(state: State, wanted: int, **more: bool) -> dict[str, Any]:
    cutover = state.cutover
    return {
        "source": cutover.source,
        "old": cutover.old,
        "since": cutover.since if state.chosen else None,
        "agreed": cutover.agreed,
        "wanted": wanted,
        "mismatches": state.mismatches,
        "lacks": state.lacks,
        **more,
    }

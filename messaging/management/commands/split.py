"""`split users`, `split billing`: move a context's rows out of the monolith, and back if need be."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_app
from django.db import OperationalError

from messaging.database import errors
from messaging.errors import Differs, InTheWay, NotReady, NotYet, PauseTooShort
from messaging.events.text import plural
from messaging.management.authority import authority_errors_as_refusals, checked_page_size
from messaging.management.base import Command as BaseCommand
from messaging.management.base import (
    Found,
    Refused,
    WrongUsage,
    checked_context,
    context_argument,
    database_errors_as_refusals,
    lifetime,
    spare_imports_from_collection,
)
from messaging.management.output import row_bar
from messaging.replica import pull
from messaging.split import move
from messaging.split.move import Loaded, Side, Split

LONGEST = "10s"


class Command(BaseCommand):
    help = (
        "Move a context's rows out of the monolith beside live writes: load and compare (no option), then --flip, --back, "
        "--retire. "
        "Exit codes: 0 done; 1 the two sides differ; 2 wrong usage; 3 refused, with what to do."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "whose rows")
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument("--flip", action="store_true", help="hold the writers for a moment, and make the context the owner")
        steps.add_argument("--back", action="store_true", help="the same in the other direction")
        steps.add_argument("--retire", action="store_true", help="end the split for good; the old table stays, and refuses writes")
        steps.add_argument("--cancel", action="store_true", help="end a split that wasn't flipped: no guards, nobody follows")
        steps.add_argument("--status", action="store_true", help="who owns the rows, who follows, and how far behind")
        parser.add_argument("--max-pause", default=LONGEST, metavar="TIME", help=f"the longest that writers are held ({LONGEST})")
        parser.add_argument("--page-size", type=int, default=pull.PAGE_ROWS, help=f"rows a page, {pull.PAGE_ROWS} by default")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"]).name
        size, longest = checked_page_size(options["page_size"]), lifetime(options["max_pause"])
        try:
            split = move.split_of(context)
        except move.NoSplit as error:
            raise WrongUsage(str(error)) from None
        spare_imports_from_collection()
        with database_errors_as_refusals(split.old.using, split.new.using), _refusing(split):
            if options["status"]:
                values = move.standing(split)
                self.result(options, values, _standing(values))
                return
            with move.one_mover(split):
                mended = move.recover(split)
                if mended and not options["json"]:
                    self.stdout.write(mended)
                if options["retire"] or options["cancel"]:
                    self._end(split, options)
                elif options["flip"] or options["back"]:
                    receiver = split.new if options["flip"] else split.old
                    self._flip(split, receiver, options, longest, size)
                else:
                    move.begin(split)
                    self._report(split, self._load(split, size), options)

    def _end(self, split: Split, options: dict[str, Any]) -> None:
        if options["retire"]:
            move.retire(split)
            said = f"{split.new.context} owns its rows for good. {split.old.guard.table} stays as it is, and refuses writes."
        else:
            move.cancel(split)
            said = f"There is no split of {split.new.context} any more. What was copied stays in {split.new.guard.table}."
        self.result(options, move.standing(split), said)

    def _flip(self, split: Split, receiver: Side, options: dict[str, Any], longest: Any, size: int) -> None:
        owning = move.owner(split)
        if owning is None:
            raise NotReady(f"There is nothing to hand over yet. First: split {split.new.context}")
        held = None
        if owning is not receiver:
            held = move.flip(split, receiver, current_app, longest=longest, page_size=size)
            if not options["json"]:
                self.stdout.write(f"{receiver.context} owns the rows. Writers were held for {held} ms.")
        elif not options["json"]:
            self.stdout.write(f"{receiver.context} owns the rows already.")
        try:
            done = self._load(split, size)
        except Exception as error:
            if held is None:
                raise
            again = f"Go on: split {split.new.context}"
            raise Found(f"{receiver.context} owns the rows; but {owning.context} doesn't follow yet: {error} {again}") from error
        self._report(split, done, options, pause_ms=held)

    def _load(self, split: Split, size: int) -> Loaded:
        with row_bar(self.stderr, f"{split.old.context} and {split.new.context}") as bar:
            return move.load(split, current_app, page_size=size, expecting=bar.expect, progress=bar.advance)

    def _report(self, split: Split, done: Loaded, options: dict[str, Any], **more: Any) -> None:
        values = {**move.standing(split), "rows": done.rows, "rows_per_second": done.rows_per_second, "resumed": done.resumed}
        self.result(options, {**values, "verdict": done.verdict, **more}, _loaded(done))
        if done.verdict == "unreachable":
            raise Refused(f"The two sides can't be compared: no answer. Try again: split {split.new.context}")
        if done.verdict != "in_sync":
            feed = next(side.feed for side in (split.old, split.new) if side.context == done.owner)
            raise Found(f"The two sides differ. What differs: reconcile {done.follower} --from {feed}")


@contextmanager
def _refusing(split: Split) -> Iterator[None]:
    """What isn't possible now, as a sentence with its exit code."""
    with authority_errors_as_refusals(split.new.context, split.old.context):
        try:
            yield
        except (NotReady, PauseTooShort, InTheWay, NotYet) as error:
            raise Refused(str(error)) from None
        except Differs as error:
            raise Found(str(error)) from None
        except OperationalError as error:
            if not errors.gave_up_waiting(error):
                raise
            raise Refused(_waited(split)) from None


def _waited(split: Split) -> str:
    said = "A transaction holds the table for longer than we wait. See who it is, and try again."
    if move.standing(split)["state"] != "between":
        return said
    sides = f"{split.old.context} and {split.new.context}"
    return f"{said} The rows are between {sides}, and nobody can write them until then: split {split.new.context}"


def _loaded(done: Loaded) -> str:
    what = {"in_sync": "fingerprints are equal", "drift": "fingerprints differ", "unreachable": "the comparison got no answer"}
    again = " (taken up again)" if done.resumed else ""
    stay = plural(done.began, f"row that began in {done.follower} stays", f"rows that began in {done.follower} stay")
    began = f" {stay} beside them." if done.began else ""
    read = f"{plural(done.rows, 'row')} read{again}, {done.rows_per_second} rows/s"
    return f"{done.follower} follows {done.owner}: {read}; {what[done.verdict]}.{began}"


def _standing(values: dict[str, Any]) -> str:
    context, old, owner = values["context"], values["from"], values["owner"]
    if values["state"] == "not begun":
        return f"{context} wasn't split. To begin: split {context}"
    if values["state"] == "retired":
        return f"{context} owns its rows for good; {old} was retired."
    if owner is None:
        return f"The rows are between {old} and {context}: a hand-over was killed. To finish it: split {context}"
    lag = "an unknown number of positions" if values["lag"] is None else plural(values["lag"], "position")
    verdict = f"; the last comparison said {values['verdict']}" if values["verdict"] else ""
    held = ", and its writers are held" if values["state"] == "moving" else ""
    return f"{owner} owns the rows{held}. {values['follower']} follows ({values['following']}), {lag} behind{verdict}."

"""`split users`: move a context's rows out of the monolith, and back if necessary."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError

from messaging.celery import app
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
from messaging.management.progress import row_bar
from messaging.replica import pull
from messaging.split import move
from messaging.split.move import Loaded, Side, Split

LONGEST = "10s"


class Command(BaseCommand):
    help = (
        "Move a context's rows out of the monolith while writes go on. Without an option, copy the rows and compare both tables. "
        "Then --flip makes the context the owner, --back undoes that, and --retire ends the split. "
        "Exit codes: 0 done; 1 the tables differ; 2 wrong usage; 3 refused, with the next command."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the context whose rows move")
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument("--flip", action="store_true", help="pause writers for a moment, and make the context the owner")
        steps.add_argument("--back", action="store_true", help="pause writers for a moment, and make the monolith the owner again")
        steps.add_argument("--retire", action="store_true", help="end the split for good; the old table stays and refuses writes")
        steps.add_argument("--cancel", action="store_true", help="end a split that isn't flipped; the copied rows stay")
        steps.add_argument("--status", action="store_true", help="show the owner, the follower and its lag")
        parser.add_argument(
            "--max-pause", default=LONGEST, metavar="TIME", help="the longest pause of writers (default %(default)s)"
        )
        parser.add_argument(
            "--page-size", type=int, default=pull.PAGE_ROWS, metavar="N", help="rows per page (default %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"]).name
        size, longest = checked_page_size(options["page_size"]), lifetime(options["max_pause"], "--max-pause")
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
                recovered = move.recover(split)
                if recovered and not options["json"]:
                    self.stdout.write(recovered)
                if options["retire"] or options["cancel"]:
                    self._end(split, options)
                elif options["flip"] or options["back"]:
                    receiver = split.new if options["flip"] else split.old
                    self._flip(split, receiver, options, longest, size)
                else:
                    move.begin(split, self.stderr.write)
                    self._report(split, self._load(split, size), options)

    def _end(self, split: Split, options: dict[str, Any]) -> None:
        if options["retire"]:
            move.retire(split)
            said = f"{split.new.context} owns its rows for good. The table {split.old.guard.table} stays and refuses writes."
        else:
            move.cancel(split)
            said = f"The split of {split.new.context} is cancelled. The copied rows stay in the table {split.new.guard.table}."
        self.result(options, move.standing(split), said)

    def _flip(self, split: Split, receiver: Side, options: dict[str, Any], longest: Any, size: int) -> None:
        owning = move.owner(split)
        if owning is None:
            raise NotReady(f"The rows of {split.new.context} aren't copied yet. First: manage.py split {split.new.context}")
        held = None
        if owning is not receiver:
            held = move.flip(split, receiver, app, longest=longest, page_size=size)
            if not options["json"]:
                self.stdout.write(f"{receiver.context} owns the rows. Writers were paused for {held} ms.")
        elif not options["json"]:
            self.stdout.write(f"{receiver.context} already owns the rows.")
        try:
            done = self._load(split, size)
        except Exception as error:
            if held is None:
                raise
            again = f"Continue: manage.py split {split.new.context}"
            raise Found(f"{receiver.context} owns the rows, but {owning.context} doesn't follow yet: {error} {again}") from error
        self._report(split, done, options, pause_ms=held)

    def _load(self, split: Split, size: int) -> Loaded:
        with row_bar(self.stderr, f"{split.old.context} and {split.new.context}") as bar:
            return move.load(split, app, page_size=size, expecting=bar.expect, progress=bar.advance)

    def _report(self, split: Split, done: Loaded, options: dict[str, Any], **more: Any) -> None:
        values = {**move.standing(split), "rows": done.rows, "rows_per_second": done.rows_per_second, "resumed": done.resumed}
        self.result(options, {**values, "verdict": done.verdict, **more}, _loaded(done))
        if done.verdict == "unreachable":
            raise Refused(f"The tables can't be compared: no answer. Try again: manage.py split {split.new.context}")
        if done.verdict != "in_sync":
            feed = next(side.feed for side in (split.old, split.new) if side.context == done.owner)
            raise Found(f"The tables differ. To see the rows: manage.py reconcile {done.follower} --from {feed}")


@contextmanager
def _refusing(split: Split) -> Iterator[None]:
    """Turn the errors of a step into sentences with exit codes."""
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
    said = "Another transaction has locked the table for too long. Wait for it or end it, then try again."
    if move.standing(split)["state"] != "between":
        return said
    sides = f"{split.old.context} nor {split.new.context}"
    return (
        f"{said} Until then neither {sides} owns the rows, so nobody can write them. To finish: manage.py split {split.new.context}"
    )


def _loaded(done: Loaded) -> str:
    what = {"in_sync": "fingerprints are equal", "drift": "fingerprints differ", "unreachable": "the comparison got no answer"}
    again = " (resumed)" if done.resumed else ""
    created = plural(
        done.began, f"row that was created in {done.follower} stays", f"rows that were created in {done.follower} stay"
    )
    began = f" {created} too." if done.began else ""
    read = f"{plural(done.rows, 'row')} read{again}, {done.rows_per_second:,} rows/s"
    return f"{done.follower} follows {done.owner}: {read}; {what[done.verdict]}.{began}"


def _standing(values: dict[str, Any]) -> str:
    context, old, owner = values["context"], values["from"], values["owner"]
    if values["state"] == "not begun":
        return f"The split of {context} hasn't begun. To begin: manage.py split {context}"
    if values["state"] == "retired":
        return f"{context} owns its rows for good; {old} was retired."
    if owner is None:
        why = f"A flip between {old} and {context} was interrupted, and neither owns the rows"
        return f"{why}. To finish it: manage.py split {context}"
    lag = "an unknown number of positions" if values["lag"] is None else plural(values["lag"], "position")
    verdict = f"; last comparison: {values['verdict']}" if values["verdict"] else ""
    held = ", and its writers are paused" if values["state"] == "moving" else ""
    return f"{owner} owns the rows{held}. {values['follower']} follows ({values['following']}), {lag} behind{verdict}."

"""`parked list|show|retry|discard billing`: the messages that failed for good, and those that wait for their next try."""

import getpass
import json
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from rich.table import Table

from messaging.consumer import parked, retries
from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, WrongUsage, checked_context, context_argument, database_errors_as_refusals, parsed_time
from messaging.management.output import show, shown
from messaging.models import Parked
from messaging.settings import Context

UNSETTLED = (Parked.State.PARKED, Parked.State.RETRYING)


class Command(BaseCommand):
    help = "A context's failed messages: list them, try them again, or set them aside. None is ever deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|retry|discard")
        for name, text in (
            ("list", "show what is parked, or waits for its next try; with --all what was settled too"),
            ("show", "one message in full: reason, traceback, event"),
            ("retry", "try messages again now"),
            ("discard", "set messages aside for good; they stay in the table"),
        ):
            action = actions.add_parser(name, help=text)
            context_argument(action, "context", "whose messages")
            action.add_argument("ids", nargs="*", type=int, metavar="ID", help="as `parked list` shows them")
            action.add_argument("--all", action="store_true", help="every one that isn't settled (list: settled ones too)")
            if name != "show":
                action.add_argument("--type", metavar="TYPE", help="those of this event type, as users.user.suspended.v1")
                action.add_argument(
                    "--since", metavar="TIME", help="those that arrived at this time or later, as 2026-11-23T14:00:00Z"
                )
                action.add_argument("--until", metavar="TIME", help="those that arrived before this time")
            if name == "discard":
                action.add_argument("--note", default="", metavar="TEXT", help="why; it is kept with the message")
            # SUPPRESS, so that this parser doesn't reset a `--json` that stood before the action.
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print one machine-readable object")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"])
        with database_errors_as_refusals(context.alias):
            {"list": self._list, "show": self._show, "retry": self._retry, "discard": self._discard}[options["action"]](
                context, options
            )

    def _list(self, context: Context, options: dict[str, Any]) -> None:
        rows = Parked.objects.using(context.alias).defer("envelope", "raw", "traceback").order_by("id")
        if options["ids"]:
            rows = rows.filter(pk__in=_known(context, options["ids"]))
        elif not options["all"]:
            rows = rows.filter(state__in=UNSETTLED)
        rows = rows.filter(**_window(options))
        values = [_values(row) for row in rows]
        if options["json"]:
            self.result(options, {"parked": values}, "")
        elif not values:
            self.stdout.write(f"Nothing of {context.name} is parked.")
        else:
            table = Table("id", "state", "type", "subject", "reason", "age")
            for row in values:
                cells = [row[name] for name in ("id", "state", "type", "subject", "reason")]
                table.add_row(*(shown(cell) for cell in cells), _age(row["age_seconds"]))
            show(self.stdout, table)

    def _show(self, context: Context, options: dict[str, Any]) -> None:
        if not options["ids"]:
            raise WrongUsage("Say which: an id as `parked list` shows it.")
        rows = [Parked.objects.using(context.alias).get(pk=parked_id) for parked_id in _known(context, options["ids"])]
        values = [{**_values(row), "traceback": row.traceback, "envelope": row.envelope, "raw": row.raw} for row in rows]
        text = "\n\n".join(
            f"{row.pk}: {row} after {plural(row.attempts, 'try', 'tries')}, "
            f"arrived {row.arrived_at:%Y-%m-%d %H:%M:%S} UTC\n{row.reason}\n\n"
            f"{row.traceback}\n{json.dumps(row.envelope, indent=2) if row.envelope is not None else row.raw}"
            for row in rows
        )
        self.result(options, {"parked": values}, text)

    def _retry(self, context: Context, options: dict[str, Any]) -> None:
        outcomes = []
        for parked_id in _chosen(context, options):
            row = retries.attempt(context.name, parked_id, by=getpass.getuser())
            state = row.state if row else "untouched"
            retriable = row is None or parked.retriable(row)
            reason = row.reason if row and state != Parked.State.APPLIED else ""
            outcomes.append({"id": parked_id, "outcome": state, "reason": reason, "retriable": retriable})
            if not options["json"]:
                self.stdout.write(f"{parked_id}: {_sentence(state, reason, retriable)}")
        failed = sum(row["outcome"] in UNSETTLED for row in outcomes)
        hopeless = sum(not row["retriable"] for row in outcomes)
        applied = sum(row["outcome"] == Parked.State.APPLIED for row in outcomes)
        values = {"applied": applied, "failed": failed, "outcomes": outcomes}
        self.result(options, values, f"{plural(applied, 'message')} applied." if applied or not failed else "")
        if failed:
            left = failed - hopeless
            stay = "stays" if left == 1 else "stay"
            again = f"{left} of {len(outcomes)} failed again, and {stay} with the new reason." if left else ""
            never = f"{hopeless} of {len(outcomes)} can't be retried, only discarded." if hopeless else ""
            raise Found(" ".join(filter(None, (again, never))))

    def _discard(self, context: Context, options: dict[str, Any]) -> None:
        note = options["note"].strip()
        if not note or len(note) > 500:
            raise WrongUsage("A message is discarded for a reason: --note TEXT, of at most 500 characters.")
        chosen, by = _chosen(context, options), getpass.getuser()
        done = [parked_id for parked_id in chosen if parked.discard(context.alias, parked_id, by=by, note=note)]
        values = {"discarded": done, "untouched": [parked_id for parked_id in chosen if parked_id not in set(done)]}
        they = "it stays" if len(done) == 1 else "they stay"
        text = f"{plural(len(done), 'message')} discarded; {they} in the table, with your note." if done else "None discarded."
        if values["untouched"]:
            text += f" Settled already, and left as they were: {', '.join(map(str, values['untouched']))}."
        self.result(options, values, text)


def _chosen(context: Context, options: dict[str, Any]) -> list[int]:
    """The ids that a call means; `WrongUsage` where it names none, or one that isn't there."""
    window = _window(options)
    if bool(options["ids"]) == (options["all"] or bool(window)):
        raise WrongUsage("Say which: ids as `parked list` shows them, --all, or those of a --type or a time (--since, --until).")
    if options["ids"]:
        return _known(context, options["ids"])
    rows = Parked.objects.using(context.alias).filter(state__in=UNSETTLED, **window)
    return list(rows.order_by("id").values_list("pk", flat=True))


def _window(options: dict[str, Any]) -> dict[str, Any]:
    """The rows of an event type, or of a time."""
    window: dict[str, Any] = {}
    if options.get("type"):
        window["event_type"] = options["type"]
    for name, lookup in (("since", "arrived_at__gte"), ("until", "arrived_at__lt")):
        if options.get(name):
            window[lookup] = parsed_time(options[name], f"--{name}")
    return window


def _known(context: Context, ids: Sequence[int]) -> list[int]:
    there = {wanted for wanted in ids if 0 < wanted < 2**63}
    known = set(Parked.objects.using(context.alias).filter(pk__in=there).values_list("pk", flat=True))
    unknown = [str(wanted) for wanted in ids if wanted not in known]
    if unknown:
        name = context.name
        raise WrongUsage(f"{name} has no parked message {', '.join(unknown)}. What it has: parked list {name} --all")
    return list(dict.fromkeys(ids))


def _values(row: Parked) -> dict[str, Any]:
    return {
        "id": row.pk,
        "state": row.state,
        "type": row.event_type,
        "subject": row.subject,
        "reason": row.reason,
        "attempts": row.attempts,
        "age_seconds": round((timezone.now() - row.arrived_at).total_seconds(), 1),
        "note": row.note,
    }


def _sentence(state: str, reason: str, retriable: bool) -> str:
    if state == Parked.State.APPLIED:
        return "applied"
    if not retriable:
        return f"{parked.NEVER_AN_EVENT} {reason}"
    return f"failed again: {reason}" if state in UNSETTLED else "left alone: it is settled already, or a worker has it in hand"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"

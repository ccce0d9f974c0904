"""`parked list|show|retry|discard billing`: messages that failed for good, or wait for a retry."""

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
    help = "List, show, retry or discard a context's failed messages. The rows are never deleted. Each action has its own --help."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|retry|discard")
        for name, text in (
            ("list", "list messages that are parked or wait for a retry"),
            ("show", "show messages in full: reason, traceback and event"),
            ("retry", "retry messages now"),
            ("discard", "mark messages as discarded: they can't be retried any more, and their rows stay in the table"),
        ):
            action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
            context_argument(action, "context", "the context that received the messages")
            action.add_argument("ids", nargs="*", type=int, metavar="ID", help="ids, as `parked list` shows them")
            every = "include settled messages" if name == "list" else "all messages that aren't settled"
            action.add_argument("--all", action="store_true", help=every)
            if name != "show":
                action.add_argument("--type", metavar="TYPE", help="messages of this event type, e.g. users.user.suspended.v1")
                action.add_argument(
                    "--since", metavar="TIME", help="messages that arrived at this time or later, e.g. 2026-11-23T14:00:00Z"
                )
                action.add_argument("--until", metavar="TIME", help="messages that arrived before this time")
            if name == "discard":
                action.add_argument("--note", default="", metavar="TEXT", help="the reason; it is stored with the message")
            # SUPPRESS, so that this parser doesn't reset a `--json` before the action.
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print the result as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"])
        with database_errors_as_refusals(context.alias):
            {"list": self._list, "show": self._show, "retry": self._retry, "discard": self._discard}[options["action"]](
                context, options
            )

    def _list(self, context: Context, options: dict[str, Any]) -> None:
        rows = Parked.objects.of(context.alias).defer("envelope", "raw", "traceback").order_by("id")
        if options["ids"]:
            rows = rows.filter(pk__in=_known(context, options["ids"]))
        elif not options["all"]:
            rows = rows.filter(state__in=UNSETTLED)
        rows = rows.filter(**_window(options))
        values = [_values(row) for row in rows]
        if options["json"]:
            self.result(options, {"parked": values}, "")
        elif not values:
            self.stdout.write(f"No parked messages found in {context.name}.")
        else:
            table = Table("id", "state", "type", "subject", "reason", "age")
            for row in values:
                cells = [row[name] for name in ("id", "state", "type", "subject", "reason")]
                table.add_row(*(shown(cell) for cell in cells), _age(row["age_seconds"]))
            show(self.stdout, table)

    def _show(self, context: Context, options: dict[str, Any]) -> None:
        if not options["ids"]:
            raise WrongUsage(f"Which message? Give an id, as this shows it: manage.py parked list {context.name}")
        rows = [Parked.objects.of(context.alias).get(pk=parked_id) for parked_id in _known(context, options["ids"])]
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
            why = f"To see why: manage.py parked list {context.name}."
            again = f"{left} of {plural(len(outcomes), 'message')} failed again. {why}" if left else ""
            never = f"{hopeless} of {plural(len(outcomes), 'message')} can't be retried, only discarded." if hopeless else ""
            raise Found(" ".join(filter(None, (again, never))))

    def _discard(self, context: Context, options: dict[str, Any]) -> None:
        note = options["note"].strip()
        if not note or len(note) > 500:
            raise WrongUsage("A discarded message needs a reason. Add it: --note TEXT (at most 500 characters)")
        chosen, by = _chosen(context, options), getpass.getuser()
        done = [parked_id for parked_id in chosen if parked.discard(context.alias, parked_id, by=by, note=note)]
        values = {"discarded": done, "untouched": [parked_id for parked_id in chosen if parked_id not in set(done)]}
        text = f"{plural(len(done), 'message')} discarded. The table keeps the note." if done else "No message discarded."
        if values["untouched"]:
            text += f" Already settled, so skipped: {', '.join(map(str, values['untouched']))}."
        self.result(options, values, text)


def _chosen(context: Context, options: dict[str, Any]) -> list[int]:
    """Return the ids that the arguments select. Raises `WrongUsage` if they select none, or an unknown id."""
    window = _window(options)
    if bool(options["ids"]) == (options["all"] or bool(window)):
        raise WrongUsage(
            "Which messages? Give --all, --type, --since or --until, or else ids, as this shows them: "
            f"manage.py parked list {context.name}"
        )
    if options["ids"]:
        return _known(context, options["ids"])
    rows = Parked.objects.of(context.alias).filter(state__in=UNSETTLED, **window)
    return list(rows.order_by("id").values_list("pk", flat=True))


def _window(options: dict[str, Any]) -> dict[str, Any]:
    """Return the filter by event type and time."""
    window: dict[str, Any] = {}
    if options.get("type"):
        window["event_type"] = options["type"]
    for name, lookup in (("since", "arrived_at__gte"), ("until", "arrived_at__lt")):
        if options.get(name):
            window[lookup] = parsed_time(options[name], f"--{name}")
    return window


def _known(context: Context, ids: Sequence[int]) -> list[int]:
    there = {wanted for wanted in ids if 0 < wanted < 2**63}
    known = set(Parked.objects.of(context.alias).filter(pk__in=there).values_list("pk", flat=True))
    unknown = [str(wanted) for wanted in ids if wanted not in known]
    if unknown:
        name = context.name
        raise WrongUsage(f"{name} has no failed message {', '.join(unknown)}. To list them: manage.py parked list {name} --all")
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
    return f"failed again: {reason}" if state in UNSETTLED else "skipped: settled already, or being retried by a worker"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"

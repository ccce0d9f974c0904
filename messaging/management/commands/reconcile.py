"""`reconcile billing --from users`: compare a copy with its authority, and repair it on request."""

from argparse import ArgumentParser
from typing import Any

from rich.table import Column, Table

from messaging.errors import Denied, Unreachable
from messaging.events.text import plural
from messaging.management.authority import authority_errors_as_refusals, checked_replica, consumer_and_authority
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Found, WrongUsage, database_errors_as_refusals
from messaging.management.output import show, shown
from messaging.management.progress import progress_bar
from messaging.replica import compare
from messaging.replica import repair as repairs
from messaging.replica.compare import Comparison

#: Rows printed without `--json`.
MOST_SHOWN_ROWS = 50
_WOULD = {
    "missing": "add it",
    "stale": "update it to the authority's version",
    "corrupt": "replace it with the authority's row",
    "ghost": "remove it, and keep it with the repair's record",
    "ahead": "leave it (--authority-wins replaces it)",
    "erased_here": "leave it: the authority must erase it again",
}
_MEANS = {
    "missing": "the authority has the row, the copy doesn't",
    "stale": "the copy's version is lower",
    "corrupt": "the same version with other content",
    "ghost": "the authority doesn't know the row",
    "ahead": "the copy's version is higher than the authority's",
    "erased_here": "erased in the copy, alive again at the authority",
}


class Command(BaseCommand):
    help = (
        "Compare a copy with its authority by fingerprints, and list the rows that differ, with both values. "
        "Exit code 1 if a row differs and wasn't repaired."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        consumer_and_authority(parser)
        parser.add_argument(
            "--repair",
            action="store_true",
            help="repair the rows that differ, except rows that are ahead or erased here, and mail the consumer's owners",
        )
        parser.add_argument(
            "--authority-wins", action="store_true", help="with --repair or --pretend-rows: also replace rows that are ahead"
        )
        parser.add_argument("--pretend-rows", action="store_true", help="dry run: show what --repair would do to each row")

    def handle(self, *args: Any, **options: Any) -> None:
        replica = checked_replica(options)
        if options["repair"] and options["pretend_rows"]:
            raise WrongUsage("--repair and --pretend-rows exclude each other. Choose one.")
        if options["authority_wins"] and not (options["repair"] or options["pretend_rows"]):
            raise WrongUsage("--authority-wins works only with --repair or --pretend-rows. Add one.")
        with database_errors_as_refusals(replica.alias):
            with progress_bar(self.stderr, f"{replica.consumer} and {replica.authority}", None) as step:
                found = compare.compare(replica, progress=step)
            repaired, error = 0, found.error
            if options["repair"] and found.verdict == "drift":
                try:
                    repaired = repairs.repair(replica, found, authority_wins=options["authority_wins"])
                except (Unreachable, Denied) as raised:
                    error = raised
        self._print(found, repaired, options)
        if error is not None:
            with authority_errors_as_refusals(replica.consumer, replica.authority):
                raise error
        left = found.differing - repaired
        if left > 0:
            raise Found(_sentence(found, left, f"manage.py reconcile {replica} --repair", options))

    def _print(self, found: Comparison, repaired: int, options: dict[str, Any]) -> None:
        rows = found.rows
        if options["pretend_rows"]:
            rows = [{**row, "would": _would(row["kind"], options["authority_wins"])} for row in rows]
        values = {
            "verdict": found.verdict,
            "counts": found.counts,
            "repaired": repaired,
            "bytes": found.bytes,
            "round_trips": found.round_trips,
            "rows": rows,
        }
        text = {
            "in_sync": "The copy equals the authority",
            "drift": plural(found.differing, "row differs", "rows differ"),
            "unreachable": f"{found.consumer}'s copy of {found.authority} couldn't be compared",
        }[found.verdict]
        if not options["json"] and found.verdict != "unreachable":
            self._tables(found, rows)
            text += f", {repaired:,} repaired" if options["repair"] else ""
            text += f". {plural(found.round_trips, 'round trip')}, {plural(found.bytes, 'byte')}"
        self.result(options, values, f"{text}.")

    def _tables(self, found: Comparison, rows: list[dict[str, Any]]) -> None:
        if not found.differing:
            return
        kinds = Table("kind", "rows", "meaning", title="Drift", title_justify="left")
        for kind, number in found.counts.items():
            kinds.add_row(kind, str(number), _MEANS[kind])
        show(self.stdout, kinds)
        would = ["repair would"] if rows and "would" in rows[0] else []
        whole_id = Column("id", no_wrap=True, min_width=max((len(row["id"]) for row in rows[:MOST_SHOWN_ROWS]), default=0))
        table = Table(whole_id, "kind", "authority", "copy", *would, title="Rows", title_justify="left")
        for row in rows[:MOST_SHOWN_ROWS]:
            last = [row["would"]] if would else []
            cells = (row["id"], row["kind"], _words(row["authority"]), _words(row["cache"]), *last)
            table.add_row(*(shown(cell) for cell in cells))
        show(self.stdout, table)
        if found.differing > MOST_SHOWN_ROWS:
            self.stdout.write(
                f"… and {found.differing - MOST_SHOWN_ROWS:,} more (--json lists the first {compare.MOST_KEPT_ROWS:,})."
            )


def _would(kind: str, authority_wins: bool) -> str:
    return _WOULD["corrupt"] if kind == "ahead" and authority_wins else _WOULD[kind]


def _words(values: dict[str, Any] | None) -> str:
    return "–" if values is None else ", ".join(f"{name} {value}" for name, value in values.items())


def _they(number: int, of: int) -> str:
    """Begin a sentence about some of the rows, or about all of them."""
    who = str(number) if number < of else "it" if number == 1 else "they"
    return f"{who} {'is' if number == 1 else 'are'}"


def _erased_here(found: Comparison, number: int, left: int) -> str:
    file = f"manage.py reconcile {found.consumer} --from {found.authority} --json > erased.json"
    return (
        f"{_they(number, left)} erased here, but a backup revived {'it' if number == 1 else 'them'} at {found.authority}. "
        f"No repair brings an erased row back. Save the list: {file}. "
        f"Then where {found.authority} runs: manage.py erase_again {found.authority} --from erased.json"
    )


def _sentence(found: Comparison, left: int, repair: str, options: dict[str, Any]) -> str:
    still = " still" if options["repair"] else ""
    differ = plural(left, f"row{still} differs", f"rows{still} differ")
    erased, ahead = found.counts["erased_here"], found.counts["ahead"]
    if left == erased + ahead:  # rows that a person has to decide about
        wins = f"{_they(ahead, left)} ahead of the authority. If the authority is right: {repair} --authority-wins"
        return f"{differ}: {'. '.join([_erased_here(found, erased, left)] * (erased > 0) + [wins] * (ahead > 0))}"
    if not options["repair"]:
        return f"{differ}. To repair {'it' if left == 1 else 'them'}: {repair}"
    return f"{differ}: {'it' if left == 1 else 'they'} changed during the repair. Repair again: {repair}"

"""The lab's state line: everything that is wrong on the page."""

from collections import Counter
from collections.abc import Iterable, Sequence

from messaging.events.text import plural
from walkthrough.control import faults
from walkthrough.lab.processes import Process
from walkthrough.observe.side_by_side import Lane, Row


def broken(rows: Sequence[Row], lanes: Iterable[Lane], on: frozenset[str], running: Iterable[Process], doubt: str) -> list[str]:
    """A few words on each: a doubtful copy, faults that are on, processes that don't run, rows that differ, parked messages."""
    return [
        *(["Billing's copy is doubtful"] if doubt else []),
        *(fault.title for fault in faults.FAULTS if fault.name in on),
        *(f"{process.name} {process.word}" for process in running if not process.runs),
        *_differing([row.drift for row in rows if row.drift]),
        *(
            f"{lane.parked} {'message' if lane.parked == '1' else 'messages'} parked at {lane.consumer}"
            for lane in lanes
            if lane.parked != "0"
        ),
    ]


def _differing(kinds: list[str]) -> list[str]:
    if not kinds:
        return []
    counted = ", ".join(f"{number} {kind}" for kind, number in Counter(kinds).most_common())
    return [f"{plural(len(kinds), 'row shown differs', 'rows shown differ')}: {counted}"]

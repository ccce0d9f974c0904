"""The lab's page, its live part, and its switches."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError as BrokerError

from messaging.errors import MessagingError
from messaging.events.text import plural
from messaging.events.text import said as said_by
from messaging.models import Subscription
from messaging.operations.status import DOUBTFUL
from messaging.replica.staleness import span_in_words
from walkthrough.control import broker, demo_only, faults
from walkthrough.control.processes import SystemNotRunning, WouldNot
from walkthrough.flow.words import span
from walkthrough.lab import charts, damage, processes, repairs, state, timeline
from walkthrough.lab.history import HISTORY, Sample
from walkthrough.mystery import play
from walkthrough.observe import side_by_side

#: Kind of switch to what it does; the URL names both.
ACTS: dict[str, Callable[[str, str], str]] = {
    "fault": lambda name, what: _switch(name, on=what == "on"),
    "process": processes.act,
    "damage": lambda name, what: damage.do(name),
    "mend": lambda name, what: _repair_everything() if name == "everything" else repairs.do(name),
}
#: Errors that an act may raise; the page shows each as a sentence.
EXPECTED = (
    MessagingError,
    demo_only.RealData,
    damage.NothingToDamage,
    play.NotNow,
    SystemNotRunning,
    WouldNot,
    Error,
    BrokerError,
    OSError,
)


@require_safe
@never_cache
def lab(request: HttpRequest) -> HttpResponse:
    """The whole page. `?user=<id>` shows that user's story."""
    return render(request, "walkthrough/lab.html", _live(request))


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """The live part."""
    return render(request, "walkthrough/_lab_live.html", _live(request))


@require_POST
def act(request: HttpRequest, kind: str, name: str, what: str = "do") -> HttpResponse:
    """Press a switch or a button. With htmx the answer is the live part, with what was done."""
    if kind not in ACTS:
        raise Http404(f"There is no switch {kind!r}.")
    try:
        demo_only.check()
        said, refused = ACTS[kind](name, what), False
    except KeyError:
        raise Http404(f"There is no {kind} {name!r}, or it can't {what}.") from None
    except EXPECTED as error:
        said, refused = f"{said_by(error)}.", True
    if request.htmx:  # type: ignore[attr-defined]
        return answer(request, said, refused=refused)
    (messages.error if refused else messages.success)(request, said)
    return redirect("walkthrough:lab")


def answer(request: HttpRequest, said: str, *, refused: bool) -> HttpResponse:
    """The live part, with what was just done or refused, for htmx."""
    return render(request, "walkthrough/_lab_live.html", {**_live(request), "said": said, "said_refused": refused})


def _switch(name: str, *, on: bool) -> str:
    faults.switch(name, on)
    title = next(fault.title for fault in faults.FAULTS if fault.name == name)
    return f"{title}: {'on' if on else 'off'}."


def _repair_everything() -> str:
    play.must_not_be_open()
    return repairs.repair_everything()


def _live(request: HttpRequest) -> dict[str, Any]:
    samples, on = HISTORY.visit(), faults.switched_on()
    running = processes.listed()
    chosen = _chosen(request)
    row = Subscription.objects.using("billing").filter(authority="users").first()
    rows, lanes = side_by_side.rows(), side_by_side.lanes()
    return {
        "rows": rows,
        "lanes": lanes,
        "faults": [{"fault": fault, "on": fault.name in on} for fault in faults.FAULTS],
        "processes": running,
        "damages": damage.DAMAGE,
        "mends": repairs.REPAIRS,
        "broken": state.broken(rows, lanes, on, running, row.doubt if row else ""),
        "charts": _charts(samples),
        "state": (DOUBTFUL if row.doubt else row.state) if row else "new",
        "doubt": row.doubt if row else "",
        "age": span_in_words(old) if (old := broker.age(row)) is not None else "",
        "timeline": timeline.timeline(chosen) if chosen else None,
        "chosen": chosen,
    }


def _charts(samples: list[Sample]) -> list[charts.Chart]:
    marks = list(HISTORY.marks)
    return [
        charts.chart(
            "Lag", samples, lambda one: float(one.lag), lambda lag: plural(round(lag), "position"), lambda lag: f"{lag:,.0f}", marks
        ),
        charts.chart(
            "Staleness", samples, lambda one: one.staleness, lambda old: span_in_words(timedelta(seconds=old)), span, marks
        ),
    ]


def _chosen(request: HttpRequest) -> uuid.UUID | None:
    """The user whose story the page shows. For a form it is in the address of the page that sent it."""
    page = urlsplit(request.htmx.current_url or "").query if request.htmx else ""  # type: ignore[attr-defined]
    text = request.GET.get("user") or QueryDict(page).get("user", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise Http404(f"{text[:50]!r} is not a user id.") from None

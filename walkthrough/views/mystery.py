"""The page of mysteries: the ticket, where to look, the diagnosis, and the answer."""

import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from messaging.events.text import said
from walkthrough.mystery import choice, looks, play, state
from walkthrough.mystery.causes import cause as cause_named
from walkthrough.mystery.play import Begun
from walkthrough.mystery.repairs import repair as repair_named
from walkthrough.mystery.signs import PLACES
from walkthrough.mystery.state import Mystery, Phase

log = logging.getLogger(__name__)
#: Seconds that a phase usually takes, for the reader who waits.
USUALLY = {Phase.STARTING: 5, Phase.CHECKING: 8}
#: Python reads no number of more than 4300 digits.
LONGEST_SEED = 100
ACTS: dict[str, Callable[[HttpRequest, Begun], object]] = {
    "start": lambda request, begun: play.start(_seed(request), begun),
    "solve": lambda request, begun: play.solve(request.POST.get("cause", ""), request.POST.get("repair", ""), begun),
    "give-up": lambda request, begun: play.give_up(begun),
    "hint": lambda request, begun: play.hint(),
}


@require_safe
@never_cache
def mystery(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return render(request, "walkthrough/mystery.html", _context(state.look()))


@require_safe
@never_cache
def now(request: HttpRequest) -> HttpResponse:
    """The line that says how long the reader has waited; when there is nothing to wait for any more, the whole part."""
    found = state.look()
    if found and found.busy:
        return render(request, "walkthrough/_mystery_busy.html", _context(found))
    response = render(request, "walkthrough/_mystery.html", {**_context(found), "swapped": True})
    response["HX-Retarget"], response["HX-Reswap"] = "#mystery", "innerHTML"
    return response


@require_safe
@never_cache
def numbers(request: HttpRequest) -> HttpResponse:
    """The time and the counts."""
    return render(request, "walkthrough/_mystery_numbers.html", _context(state.look()))


@require_POST
def act(request: HttpRequest, what: str) -> HttpResponse:
    """Start, solve, give up, or ask for a hint. With htmx the answer comes at once, without it when it is done."""
    if what not in ACTS:
        raise Http404(f"A mystery has no act {what!r}.")
    refused, status = "", 200
    try:
        if request.htmx and what != "hint":  # type: ignore[attr-defined]
            _beside(lambda begun: ACTS[what](request, begun))
        else:
            ACTS[what](request, play.nothing)
    except play.Unknown as error:
        refused, status = str(error), 400
    except (play.NotNow, *play.CLEAR) as error:
        refused, status = said(error), 409
    if not refused and not request.htmx:  # type: ignore[attr-defined]
        return redirect(f"{reverse('walkthrough:mystery')}#outcome")
    template = "_mystery" if request.htmx else "mystery"  # type: ignore[attr-defined]
    context = {**_context(state.look()), "refused": refused, "swapped": what != "hint", "hinted": what == "hint"}
    return render(request, f"walkthrough/{template}.html", context, status=status)


def _seed(request: HttpRequest) -> int | None:
    text = request.POST.get("seed", "").strip()
    if not text:
        return None
    if len(text) > LONGEST_SEED or not (text.isascii() and text.isdigit() and int(text) <= choice.LARGEST_SEED):
        raise play.Unknown(f"A seed is a whole number from 0 to {choice.LARGEST_SEED}.")
    return int(text)


def _beside(acts: Callable[[Begun], object]) -> None:
    """Act in a thread of this process. Returns when everybody sees that it works; raises what it raises before that."""
    begun = Future[None]()

    def run() -> None:
        try:
            acts(lambda: begun.set_result(None))
        except BaseException as error:
            if begun.done():
                log.exception("a mystery")  # the page shows it from the kept state
            else:
                begun.set_exception(error)
        finally:
            if not begun.done():
                begun.set_result(None)
            connections.close_all()  # this thread's own

    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="mystery").start()
    begun.result()


def _context(found: Mystery | None) -> dict[str, Any]:
    """What the templates show. The fault is in it only at the end."""
    if found is None:
        return {"mystery": None, "largest": choice.LARGEST_SEED}
    user = found.ticket.user if found.ticket else ""
    context: dict[str, Any] = {
        "mystery": found,
        "largest": choice.LARGEST_SEED,
        "usually": USUALLY.get(found.phase),
        "causes": choice.causes_of(found.seed),
        "repairs": choice.repairs_of(found.seed),
        "places": [(place.title, place.address(user)) for place in PLACES.values()],
        "looks": found.looks if found.ended else len(looks.seen()),
        "hints": choice.cause_of(found.seed).hints[: found.hints],
    }
    if found.answer:
        context["named"], context["chosen"] = cause_named(found.answer.cause), repair_named(found.answer.repair)
        context["about"] = play.about(found)
    if found.ended:
        cause = choice.cause_of(found.seed)
        context["cause"] = cause
        context["signs"] = [(sign.text, sign.place.title, sign.place.address(user)) for sign in cause.signs]
        context["healing"] = [repair_named(name) for name in cause.repairs]
    return context

"""The home page, with the team's four questions, and the list of chapters."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from messaging.events.text import plural
from users.models import User
from walkthrough import questions
from walkthrough.script import course


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """The four questions, and the way through the chapters as far as the reader has come."""
    context = {
        "questions": questions.QUESTIONS,
        "source": questions.SOURCE,
        "site": questions.SITE,
        "empty": not User.objects.exists(),
        **_way(),
    }
    return render(request, "walkthrough/home.html", context)


@require_safe
@never_cache
def chapters(request: HttpRequest) -> HttpResponse:
    """Each chapter's question, minutes and state."""
    return render(request, "walkthrough/chapters.html", _way())


def _way() -> dict[str, Any]:
    stops = course.stops()
    short = [stop for stop in stops if stop.short]
    return {
        "stops": stops,
        "stage": course.on_stage(stops),
        "done": sum(stop.done for stop in stops),
        "entrances": _entrances(stops, short),
        "short_minutes": course.in_fives(short),
    }


def _entrances(stops: list[course.Stop], short: list[course.Stop]) -> list[tuple[str, course.Entrance]]:
    """The buttons into the chapters, with their words. The first one leads on: after the short path, to the chapters beside it."""
    begin = course.entrance(short)
    walked, all_done = (all(stop.done for stop in way) for way in (short, stops))
    words = "Short path again" if walked else "Continue" if begin.begun else "Start"
    found = [(words, begin), (f"All {plural(len(stops), 'chapter')}", course.entrance(stops))]
    return found[::-1] if walked and not all_done else found

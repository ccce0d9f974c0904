"""The exercises: their list, and a page for each with its text, its check and, when asked for, its solution."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from walkthrough.chapters import chapter as chapter_by_number
from walkthrough.exercises import book, checker
from walkthrough.exercises.book import EXERCISES, Exercise


@require_safe
@never_cache
def exercises(request: HttpRequest) -> HttpResponse:
    """The list, with the reader's progress."""
    listed = [
        {"exercise": one, "chapter": chapter_by_number(one.number), "state": checker.state(one), "folder": book.shown(one.mine)}
        for one in EXERCISES
    ]
    done = sum(one["state"] == "done" for one in listed)
    return render(request, "walkthrough/exercises.html", {"exercises": listed, "done": done})


@require_safe
@never_cache
def exercise(request: HttpRequest, number: int) -> HttpResponse:
    """One exercise, with the last result. `?solution=1` shows the solution, too."""
    found = _found(number)
    place, result = EXERCISES.index(found), checker.last(found)
    context = {
        "exercise": found,
        "exercises": EXERCISES,
        "source": chapter_by_number(number),
        "files": [(book.shown(found.mine / path), _text(found, str(path))) for path in found.files],
        "result": result,
        "changed": result is not None and checker.changed(found, result),
        "solution": found.solutions() if request.GET.get("solution") else [],
        "longest": round(checker.LONGEST),
        "next": EXERCISES[place + 1] if place + 1 < len(EXERCISES) else None,
        "previous": EXERCISES[place - 1] if place else None,
    }
    return render(request, "walkthrough/exercise.html", context)


@require_POST
def check(request: HttpRequest, number: int) -> HttpResponse:
    """Check the reader's files in a process of its own, as `manage.py exercise` does. Then show the result."""
    found = _found(number)
    checker.check_mine(found)
    return redirect(f"{reverse('walkthrough:exercise', args=[number])}#result")


def _found(number: int) -> Exercise:
    try:
        return book.exercise(number)
    except KeyError:
        raise Http404(f"There is no exercise {number}.") from None


def _text(found: Exercise, path: str) -> str:
    return (found.mine / path).read_text(encoding="utf-8", errors="replace")

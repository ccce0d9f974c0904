"""A chapter's page: its texts, its code, and its steps as buttons with their output."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from walkthrough import questions
from walkthrough.chapters import CHAPTERS
from walkthrough.chapters import chapter as by_number
from walkthrough.questions import figures
from walkthrough.script import code_listing, course, now, player
from walkthrough.script.chapter import Chapter
from walkthrough.templatetags.walkthrough_bar import shown, stamp
from walkthrough.views import cards


@require_safe
@never_cache
def chapter(request: HttpRequest, number: int) -> HttpResponse:
    """The whole page."""
    found = _found(number)
    place = CHAPTERS.index(found)
    context = {
        "chapter": found,
        "chapters": CHAPTERS,
        "previous": CHAPTERS[place - 1] if place else None,
        "next": CHAPTERS[place + 1] if place + 1 < len(CHAPTERS) else None,
        "listings": [code_listing.shown(one) for one in found.listings],
        "windows": [(one.title, f"{reverse(one.name)}{'?' if one.query else ''}{one.query}") for one in found.windows],
        **_steps(found),
    }
    return render(request, "walkthrough/chapter.html", context)


@require_POST
def play(request: HttpRequest, number: int, step: str) -> HttpResponse:
    """Play a step, with the reader's guess if it was posted. With htmx the answer comes at once: the steps as they are now. Without
    it the answer comes after the step: the page with this step in view."""
    found = _found(number)
    if step != player.SETTING and step not in {one.name for one in found.steps}:
        raise Http404(f"Chapter {number} has no step {step!r}.")
    refused, status = "", 200
    guess = "" if "without" in request.POST else request.POST.get("guess", "")
    try:
        (player.begin if request.htmx else player.play)(found, step, guess=guess)  # type: ignore[attr-defined]
    except player.CanNotPlay as error:
        refused, status = str(error), 409
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "walkthrough/_played.html", {"chapter": found, **_steps(found, refused)}, status=status)
    if refused:
        return render(request, "walkthrough/refused.html", {"chapter": found, "refused": refused}, status=status)
    return redirect(f"{reverse('walkthrough:chapter', args=[number])}#title-{step}")


@require_safe
@never_cache
def steps(request: HttpRequest, number: int) -> HttpResponse:
    """The steps as they are now."""
    found = _found(number)
    return render(request, "walkthrough/_played.html", {"chapter": found, **_steps(found)})


@require_safe
@never_cache
def bar(request: HttpRequest) -> HttpResponse:
    """The bar of every page. `?steps=` is the stamp of the steps that the page shows. If there are newer ones, the answer makes the
    page ask for them."""
    known, state = request.GET.get("steps", ""), now.look()
    response = render(request, "walkthrough/_bar.html", shown(state, known))
    if known and known != stamp(state):
        response["HX-Trigger"] = "played"
    return response


def _steps(chapter: Chapter, refused: str = "") -> dict[str, Any]:
    """What changes with each step: the steps, where they lead, and the closing chapter's answers with the reader's figures."""
    answers = figures.answers() if chapter.number == questions.CLOSING else None
    return {"answers": answers, "short": course.after(chapter.number), **cards.context(chapter, refused)}


def _found(number: int) -> Chapter:
    try:
        return by_number(number)
    except KeyError:
        raise Http404(f"There is no chapter {number}.") from None

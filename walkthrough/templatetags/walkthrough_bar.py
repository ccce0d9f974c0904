"""Tags for the base template. Contexts' pages extend it, too, and know nothing of chapters or of the bar."""

from contextlib import suppress
from typing import Any

from django import template
from django.template import Context
from django.urls import NoReverseMatch, reverse

from walkthrough.script import now
from walkthrough.views import bar

register = template.Library()
NOTHING = "none"
#: The pages' names in the URLs, and their words.
PAGES = (
    ("walkthrough:home", "Home"),
    ("walkthrough:chapters", "Chapters"),
    ("walkthrough:exercises", "Exercises"),
    ("walkthrough:lab", "Lab"),
    ("walkthrough:mystery", "Mystery"),
    ("walkthrough:page", "Side by side"),
    ("walkthrough:events", "Events"),
    ("admin:index", "Admin"),
    ("api-docs", "API"),
)
#: What a page is about to the page that lists it.
WITHIN = {"chapter": "walkthrough:chapters", "exercise": "walkthrough:exercises"}


@register.inclusion_tag("walkthrough/_bar.html", takes_context=True)
def playing_bar(context: Context) -> dict[str, Any]:
    """The bar. `now` in the context is the state that the page's steps show, so the page can ask for newer ones."""
    if "now" not in context:
        return shown(now.look(), "")
    return shown(context["now"], stamp(context["now"]), swapped=bool(context.get("swapped")))


@register.inclusion_tag("walkthrough/_pages.html", takes_context=True)
def pages(context: Context) -> dict[str, Any]:
    """The links at the top of every page."""
    match = getattr(context.get("request"), "resolver_match", None)
    here = match.view_name if match else ""
    within = next((name for part, name in WITHIN.items() if part in context), "")
    found = []
    for name, words in PAGES:
        with suppress(NoReverseMatch):
            found.append((reverse(name), words, "page" if name == here else "true" if name == within else ""))
    return {"pages": found}


def stamp(state: now.Now | None) -> str:
    return state.stamp if state else NOTHING


def shown(state: now.Now | None, steps: str, *, swapped: bool = False) -> dict[str, Any]:
    """The bar's template context. `steps`: the stamp of the steps that the page shows; empty if it shows none."""
    return {"bar": bar.bar(state), "every": bar.every(state), "known": steps, "swapped": swapped}

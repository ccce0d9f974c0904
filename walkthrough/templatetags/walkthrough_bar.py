"""Tags for the base template. Contexts' pages extend it, too, and know nothing of chapters or of the bar."""

from typing import Any

from django import template
from django.template import Context

from walkthrough.chapters import CHAPTERS
from walkthrough.script import now
from walkthrough.views import bar

register = template.Library()
NOTHING = "none"


@register.inclusion_tag("walkthrough/_bar.html", takes_context=True)
def playing_bar(context: Context) -> dict[str, Any]:
    """The bar. `now` in the context is the state that the page's steps show, so the page can ask for newer ones."""
    if "now" not in context:
        return shown(now.look(), "")
    return shown(context["now"], stamp(context["now"]), swapped=bool(context.get("swapped")))


@register.simple_tag
def first_chapter() -> int:
    return CHAPTERS[0].number


def stamp(state: now.Now | None) -> str:
    return state.stamp if state else NOTHING


def shown(state: now.Now | None, steps: str, *, swapped: bool = False) -> dict[str, Any]:
    """The bar's template context. `steps`: the stamp of the steps that the page shows; empty if it shows none."""
    return {"bar": bar.bar(state), "every": bar.every(state), "known": steps, "swapped": swapped}

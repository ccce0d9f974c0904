"""What the base template needs: pages of contexts extend it too, and know nothing of chapters or of the bar."""

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
    """`now`: what the page's steps were made from, where it has any; they are renewed when there is something newer."""
    if "now" not in context:
        return shown(now.look(), "")
    return shown(context["now"], stamp(context["now"]), swapped=bool(context.get("swapped")))


@register.simple_tag
def first_chapter() -> int:
    return CHAPTERS[0].number


def stamp(state: now.Now | None) -> str:
    return state.stamp if state else NOTHING


def shown(state: now.Now | None, steps: str, *, swapped: bool = False) -> dict[str, Any]:
    """What the bar's template needs. `steps`: the stamp of the steps that the page shows; empty where it shows none."""
    return {"bar": bar.bar(state), "every": bar.every(state), "known": steps, "swapped": swapped}

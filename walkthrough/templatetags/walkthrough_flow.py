"""The living picture on a page: `{% load walkthrough_flow %}{% flow "home" %}`, or `{% flow chapter.number %}` in that chapter's
shape."""

from json import dumps
from typing import Any
from urllib.parse import urlencode

from django import template
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse

from walkthrough.flow import drawing, state
from walkthrough.flow.outcomes import OUTCOMES, Last
from walkthrough.flow.parts import PARTS
from walkthrough.flow.shapes import SHAPES
from walkthrough.flow.words import span

register = template.Library()
STRIP = "flow-strip"
#: Where an event is that has no outcome yet.
WAITS = {"waiting": "waits in the outbox", "sent": "sent, not arrived"}


@register.inclusion_tag("walkthrough/_flow.html", takes_context=True)
def flow(context: template.Context, shape: str | int) -> dict[str, Any]:
    """The picture in all widths, its legend, and the strip about the part that `?part=` names."""
    request = context["request"]
    return {**shown(request, str(shape), request.GET.get("part", "")), "request": request}


def shown(request: HttpRequest, name: str, opened: str, width: int | None = None) -> dict[str, Any]:
    """The template context of a picture. `width`: only the picture of this width. Without a database it has an `error`."""
    shape, found = SHAPES[name], PARTS.get(opened)
    part = found if found and found.key in shape.parts else None
    base = {
        "shape": shape,
        "address": f"{reverse('walkthrough:flow')}?{urlencode({'shape': name})}",
        "part": part,
        "new": [PARTS[key].name for key in shape.new],
    }
    try:
        now = state.kept()
        pictures = drawing.pictures(now, shape, lambda key: _address(request, key), part.key if part else "", width)
    except DatabaseError:
        return {**base, "error": True}
    pulled = [change.position for change in now.changes if change.arrived == "pulled"]
    counts = {name: getattr(now.counts, name) for name in OUTCOMES}
    written = [(name, f"{number:,}") for name, number in counts.items()]
    return {
        **base,
        "pictures": pictures,
        "state": now,
        "now": {"counts": counts, "pulled": pulled, "lost": now.lost},
        "counts": written,
    }


def _address(request: HttpRequest, key: str) -> str:
    """This page, with the strip about a part."""
    query = request.GET.copy()
    query["part"] = key
    return f"?{query.urlencode()}#{STRIP}"


@register.filter
def json(value: object) -> str:
    """A value as JSON, for the page's script."""
    return dumps(value)


@register.filter
def became(last: Last) -> str:
    """What became of an event, and when."""
    if last.outcome in WAITS:
        return f"{WAITS[last.outcome]}, {span(last.seconds)}"
    return "lost" if last.outcome == "lost" else f"{last.outcome} after {span(last.seconds)}"

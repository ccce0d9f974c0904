"""The picture of the flow as it is now, and the pages that its parts lead to: a part's source, and the glossary."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.env import ROOT
from walkthrough.flow.parts import PARTS
from walkthrough.flow.shapes import SHAPES
from walkthrough.observe import glossary
from walkthrough.templatetags.walkthrough_flow import shown


@require_safe
@never_cache
def flow(request: HttpRequest) -> HttpResponse:
    """The picture of one shape and width, and the strip about a part: `?shape=home&width=1180&part=relay`."""
    shape, width = request.GET.get("shape", "home"), request.GET.get("width", "")
    if shape not in SHAPES:
        raise Http404(f"There is no picture {shape[:50]!r}.")
    only = int(width) if width.isdecimal() and len(width) < 5 else None
    return render(request, "walkthrough/_flow_answer.html", shown(request, shape, request.GET.get("part", ""), only))


@require_safe
def source(request: HttpRequest, part: str) -> HttpResponse:
    """The file that a part's strip names."""
    found = PARTS.get(part)
    if found is None:
        raise Http404(f"The picture has no part {part[:50]!r}.")
    text = (ROOT / found.source).read_text(encoding="utf-8")
    return render(request, "walkthrough/source.html", {"part": found, "text": text})


@require_safe
def glossary_page(request: HttpRequest) -> HttpResponse:
    """All words of the project with their meanings."""
    return render(request, "walkthrough/glossary.html", {"entries": glossary.entries(), "file": glossary.FILE})

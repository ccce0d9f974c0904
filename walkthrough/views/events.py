"""The page of events: the map of contexts, and who reads which fields of each event."""

from pathlib import Path

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.env import ROOT
from messaging import settings
from messaging.operations.catalogue import catalogue
from messaging.operations.catalogue_remarks import remarks
from walkthrough.observe import event_catalogue, glossary
from walkthrough.observe.context_map import draw

#: The widths of the page's content on a small, a medium and a large screen. The style sheet shows one of the three pictures.
WIDTHS = {"small": 320, "medium": 640, "large": 1188}
WORDS = ("event", "contract", "publisher", "consumer", "register", "queue", "feed", "copy", "lag", "upcast")
#: The admin's lists about a context: the page's name in the URL, and the link's words.
LISTS = (("consumer", "its register"), ("outbox", "outbox"), ("inbox", "inbox"), ("authority", "its subscriptions"))
SCHEMAS = "JSON Schemas"
#: The modules of a context with contracts, handlers, copies and feed.
MODULES = ("events", "handlers", "caches", "feed")


@require_safe
@never_cache
def events(request: HttpRequest) -> HttpResponse:
    """The whole page. It needs no database: without one it has the contracts, and says what isn't known."""
    found = catalogue()
    names, elsewhere = event_catalogue.contexts(found)
    arrows = event_catalogue.arrows(found)
    context = {
        "maps": [(size, draw(names, arrows, width, elsewhere)) for size, width in WIDTHS.items()],
        "arrows": arrows,
        "names": names,
        "remarks": remarks(found),
        "groups": event_catalogue.groups(found),
        "places": [(name, _lists(name), _sources(name)) for name in settings.contexts()],
        "words": glossary.meanings(*WORDS),
        "glossary": glossary.FILE,
        "at": timezone.now(),
    }
    return render(request, "walkthrough/events.html", context)


def _lists(context: str) -> list[tuple[str, str]]:
    """Return words and address of the context's lists in the admin, and of its schemas. Not every context has all of them."""
    found = []
    for words, name in (
        *((words, f"admin:{context}_{page}_changelist") for page, words in LISTS),
        (SCHEMAS, f"{context}-contracts"),
    ):
        try:
            found.append((words, reverse(name)))
        except NoReverseMatch:
            continue
    return found


def _sources(context: str) -> list[tuple[str, str]]:
    """Return the paths and texts of the context's modules about events."""
    files = [Path(apps.get_app_config(context).path) / f"{module}.py" for module in MODULES]
    return [(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")) for file in files if file.is_file()]

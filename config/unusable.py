"""What is answered where a database can't be used, in the place of a traceback: that it takes nothing now, or that it isn't
migrated and what to type."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from config.runner.preflight import CanNotRun
from messaging.database import errors
from messaging.events.text import plural, said

log = logging.getLogger(__name__)
COMMAND = "python manage.py migrate"


class DatabaseMiddleware:
    """Answers 503 where a view failed because a database takes nothing now, or lacks its tables. The latter with DEBUG only:
    strangers needn't know."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if errors.takes_nothing(error):
            log.warning("%s can't be answered now: %s", request.path, said(error))
            errors.let_go()
            text = "The database takes nothing now. Try again in a moment.\n"
            return HttpResponse(text, content_type="text/plain; charset=utf-8", status=503, headers={"Retry-After": "1"})
        if not settings.DEBUG or not errors.lacks_tables(error):
            return None
        log.warning("%s can't be answered: %s", request.path, said(error))
        detail = f"{_what_lacks()} Type `{COMMAND}` in the project's folder."
        if request.path.startswith("/api/"):
            return JsonResponse({"reason": "not_migrated", "detail": detail}, status=503)
        return HttpResponse(render_to_string("unusable.html", {"what": _what_lacks(), "command": COMMAND}), status=503)


def _what_lacks() -> str:
    """Which databases aren't up to date, as a sentence."""
    from config.runner import provisioning  # it needs the apps, which aren't there yet where settings name this class

    try:
        found = list(provisioning.pending())
    except CanNotRun as reason:
        return f"{reason}"
    if not found:
        return "A table is missing although every migration was applied."
    return f"{plural(len(found), 'database is', 'databases are')} not migrated yet: {', '.join(found)}."

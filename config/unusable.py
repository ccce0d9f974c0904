"""Answers for a database that can't be used or isn't migrated, instead of a traceback."""

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
    """Answers 503 if a view failed because a database can't be used now, or lacks tables. The latter only with DEBUG, to hide it
    from strangers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if errors.takes_nothing(error):
            log.warning("%s failed, because a database can't be used now: %s", request.path, said(error))
            errors.let_go()
            text = "The database can't be used now. Try again in a moment.\n"
            return HttpResponse(text, content_type="text/plain; charset=utf-8", status=503, headers={"Retry-After": "1"})
        if not settings.DEBUG or not errors.lacks_tables(error):
            return None
        log.warning("%s failed, because a database lacks tables: %s", request.path, said(error))
        detail = f"{_what_lacks()} Run `{COMMAND}` in the project's folder."
        if request.path.startswith("/api/"):
            return JsonResponse({"reason": "not_migrated", "detail": detail}, status=503)
        return HttpResponse(render_to_string("unusable.html", {"what": _what_lacks(), "command": COMMAND}), status=503)


def _what_lacks() -> str:
    """Return a sentence with the databases that aren't migrated."""
    from config.runner import provisioning  # it needs the apps, which aren't loaded yet when this module is

    try:
        found = list(provisioning.pending())
    except CanNotRun as reason:
        return f"{reason}"
    if not found:
        return "A table is missing although every migration was applied."
    return f"{plural(len(found), 'database is', 'databases are')} not migrated: {', '.join(found)}."

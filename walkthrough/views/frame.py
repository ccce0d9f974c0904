"""Middleware that shows 404 and 405 as pages of the walkthrough, also with `DEBUG`.

The answers of the API and the admin stay as they are, and so does Django's page about an error in the code (500).
"""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from config.security_headers import policy

API = "/api/"


class FrameMiddleware:
    """Near the end of the middleware, so that it sees what the views raise and what no URL leads to."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if answer.status_code not in (404, 405) or not _ours(request):
            return answer
        context = {"sentence": getattr(request, "not_found", ""), "allowed": answer.headers.get("Allow", "")}
        framed = render(request, f"walkthrough/{answer.status_code}.html", context, status=answer.status_code)
        framed.headers["Content-Security-Policy"] = policy()  # not the one of Django's own error pages
        if context["allowed"]:
            framed.headers["Allow"] = context["allowed"]
        return framed

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        """Remember a view's sentence. Django turns it into an answer."""
        if isinstance(error, Http404):
            request.not_found = str(error)  # type: ignore[attr-defined]


def _ours(request: HttpRequest) -> bool:
    """True for a page of the walkthrough, and for an address that nothing has; false for a part of a page, which htmx asks for."""
    match = request.resolver_match
    known = match.app_name == "walkthrough" if match else not request.path.startswith(API)
    return known and "HX-Request" not in request.headers and request.accepts("text/html")

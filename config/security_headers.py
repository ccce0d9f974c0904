"""The security headers that Django's middleware leaves open. Django 5.2 has no setting for a content security policy.

Everything that a page needs is in files of ours: no inline scripts or styles, nothing from elsewhere.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

POLICY = {
    "default-src": "'self'",
    # The chapters' and the lab's pages ask again by themselves only under a condition, which htmx evaluates.
    "script-src": "'self' 'unsafe-eval'" if settings.WALKTHROUGH else "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
Answering = Callable[..., HttpResponse]


def policy(**others: str) -> str:
    """The policy as a header's text; `style_src="…"` adds or replaces a line."""
    named = {name.replace("_", "-"): value for name, value in others.items()}
    return "; ".join(f"{name} {value}" for name, value in {**POLICY, **named}.items())


def security_headers(get_response: Answering) -> Answering:
    """Middleware. It stands first, so that errors have them too."""
    text, of_errors = policy(), policy(style_src="'self' 'unsafe-inline'", script_src="'self' 'unsafe-inline'")

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Django's own pages about an error, with DEBUG=1, have their styles and scripts in them.
        explained = settings.DEBUG and response.status_code in (404, 500)
        response.headers.setdefault("Content-Security-Policy", of_errors if explained else text)
        return response

    return respond


def with_styles(view: Answering) -> Answering:
    """For the API's pages: Swagger UI writes styles into its page."""

    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = policy(style_src="'self' 'unsafe-inline'")
        return response

    return respond

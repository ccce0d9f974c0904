"""A content security policy, for which Django 5.2 has no setting.

Pages use only the project's own files: no inline scripts or styles, and nothing from other servers.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

POLICY = {
    "default-src": "'self'",
    # The pages of the chapters and the lab refresh themselves under a condition, which htmx evaluates.
    "script-src": "'self' 'unsafe-eval'" if settings.WALKTHROUGH else "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
Answering = Callable[..., HttpResponse]


def policy(**others: str) -> str:
    """Return the policy as a header's text. A keyword such as `style_src="…"` adds or replaces a directive."""
    named = {name.replace("_", "-"): value for name, value in others.items()}
    return "; ".join(f"{name} {value}" for name, value in {**POLICY, **named}.items())


def security_headers(get_response: Answering) -> Answering:
    """Middleware that adds the policy. It is the first one, so that error pages have the policy too."""
    text, of_errors = policy(), policy(style_src="'self' 'unsafe-inline'", script_src="'self' 'unsafe-inline'")

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Django's error pages, with DEBUG=1, have inline styles and scripts.
        explained = settings.DEBUG and response.status_code in (404, 500)
        response.headers.setdefault("Content-Security-Policy", of_errors if explained else text)
        return response

    return respond


def with_styles(view: Answering) -> Answering:
    """Allow inline styles in a view. The API's pages need them: Swagger UI writes styles into its page."""

    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = policy(style_src="'self' 'unsafe-inline'")
        return response

    return respond

"""Answers a refused write with a sentence instead of a 500, when the rows have moved to another context."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from messaging.errors import Moving
from messaging.ownership.ownership import refusal

CONFLICT, UNAVAILABLE = 409, 503


class OwnershipMiddleware:
    """Answers requests whose write a guard refused: 409 with where to write, or 503 with `Retry-After` during a hand-over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        refused = refusal(error)
        if refused is None:
            return None
        moving = isinstance(refused, Moving)
        answer = HttpResponse(f"{refused}\n", content_type="text/plain; charset=utf-8", status=UNAVAILABLE if moving else CONFLICT)
        if moving:
            answer["Retry-After"] = "1"
        return answer

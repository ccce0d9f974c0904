"""Which request or event caused what: correlation and causation ids.

The correlation id names the whole story (it starts with a request); the causation id names the step before (the event that was
being handled). Both live in context variables, so that no service has to pass them along.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

HEADER = "X-Correlation-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True)
class Trace:
    """`correlation`: the id of the story. `causation`: the id of the event that is being handled, or None."""

    correlation: str
    causation: str | None = None


_current: ContextVar[Trace | None] = ContextVar("messaging_trace", default=None)


def current() -> Trace:
    """The trace we are in, or a new story where none has begun."""
    return _current.get() or Trace(correlation=str(uuid.uuid4()))


@contextmanager
def tracing(correlation: str, causation: str | None = None) -> Iterator[Trace]:
    """Everything recorded inside belongs to this story."""
    trace = Trace(correlation, causation)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


class CorrelationMiddleware:
    """Takes the correlation id from the request, or starts one; the response names it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.headers.get(HEADER, "")
        with tracing(asked if _ACCEPTABLE.fullmatch(asked) else str(uuid.uuid4())) as trace:
            response = self.get_response(request)
        response[HEADER] = trace.correlation
        return response

"""Correlation and causation ids: which request or event caused an event.

All events that one request caused have the same correlation id. The causation id is the event that was being handled. Both are in
context variables, so services don't pass them along.
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
    """The ids that a new event is recorded with."""

    correlation: str
    causation: str | None = None  #: the id of the event that is being handled


_current: ContextVar[Trace | None] = ContextVar("messaging_trace", default=None)


def current() -> Trace:
    """The current trace, or a new one."""
    return _current.get() or Trace(correlation=str(uuid.uuid4()))


@contextmanager
def tracing(correlation: str, causation: str | None = None) -> Iterator[Trace]:
    """Record the events inside with this correlation and causation id."""
    trace = Trace(correlation, causation)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


class CorrelationMiddleware:
    """Takes the correlation id from the request's `X-Correlation-ID`, or makes one. The response has the same header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.headers.get(HEADER, "")
        with tracing(asked if _ACCEPTABLE.fullmatch(asked) else str(uuid.uuid4())) as trace:
            response = self.get_response(request)
        response[HEADER] = trace.correlation
        return response

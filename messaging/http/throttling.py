"""How often a consumer may ask: so many requests in each span of time, beyond which it is told when to come again.

Counted in Django's cache: by each process for itself, unless `CACHES` names one that processes share. It keeps one consumer's loop
from taking the authority's time from the others; it is no account.
"""

import time
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from messaging import settings

#: Seconds of a span. Short, so that nobody has to wait for long.
SPAN_SECONDS = 10


class ConsumerThrottle(BaseThrottle):
    """`API_RATE` requests a second for each consumer of an authority, on the average of a span."""

    def allow_request(self, request: Request, view: Any) -> bool:
        rate, now = settings.api_rate(), time.time()
        self.seconds = SPAN_SECONDS - now % SPAN_SECONDS
        if request.auth is None or not rate:
            return True
        key = f"messaging-api:{view.authority}:{request.auth.name}:{int(now // SPAN_SECONDS)}"
        if cache.add(key, 1, timeout=2 * SPAN_SECONDS):
            return True
        try:
            return int(cache.incr(key)) <= rate * SPAN_SECONDS
        except ValueError:  # it was thrown out of the cache just now
            return True

    def wait(self) -> float:
        return self.seconds

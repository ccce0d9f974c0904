"""Limit the requests of each consumer per span of time. Beyond the limit, `Retry-After` says when to retry.

The counts are in Django's cache, so each process counts for itself unless `CACHES` names a shared cache. The limit keeps one
consumer's loop from slowing down the others; it isn't exact accounting.
"""

import time
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from messaging import settings

#: Seconds of a span; short, so that nobody waits long.
SPAN_SECONDS = 10


class ConsumerThrottle(BaseThrottle):
    """Allow each consumer of an authority `API_RATE` requests a second, on average over a span."""

    def allow_request(self, request: Request, view: Any) -> bool:
        rate, now = settings.api_rate(), time.time()
        self.seconds = SPAN_SECONDS - now % SPAN_SECONDS
        if not rate:
            return True
        key = f"messaging-api:{view.authority}:{request.auth.name}:{int(now // SPAN_SECONDS)}"
        if cache.add(key, 1, timeout=2 * SPAN_SECONDS):
            return True
        try:
            return int(cache.incr(key)) <= rate * SPAN_SECONDS
        except ValueError:  # the cache just evicted the key
            return True

    def wait(self) -> float:
        return self.seconds

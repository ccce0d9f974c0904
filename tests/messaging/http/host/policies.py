"""What the host's `REST_FRAMEWORK` names."""

from typing import Any

from rest_framework.throttling import BaseThrottle


def in_the_hosts_words(error: Exception, context: Any) -> Any:
    from rest_framework.response import Response  # DRF imports this module while it is imported

    return Response({"host": type(error).__name__}, status=418)


def everybody() -> str:
    """Return a token for requests without one."""
    return "everybody"


class NoRequests(BaseThrottle):
    def allow_request(self, request: Any, view: Any) -> bool:
        return False

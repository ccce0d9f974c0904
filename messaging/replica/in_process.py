"""The API of an authority that runs in the consumer's own process: its views are called, without address, token and connection."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlencode

from pydantic_core import to_json

from messaging import settings
from messaging.http import urls
from messaging.http.local import LocalRequest


def runs_here(feed: str) -> bool:
    """Return True if a feed's authority is in this process, and no address of it is set."""
    return not settings.api_url(feed) and settings.authority(feed) in settings.contexts()


def answer(feed: str, consumer: str, method: str, path: str, asked: Mapping[str, Any], body: bytes) -> tuple[int, Any, bytes]:
    """Return the status, headers and body of the answer to a consumer's request. The caller's transaction is the view's too."""
    patterns = urls(feed)
    if not patterns:
        return 404, {}, to_json({"reason": "no_feed", "detail": f"{feed} has no feed."})
    query = urlencode(asked) if method == "GET" else ""
    request = LocalRequest(consumer, method, f"/api/{feed}/{path}", query, body)
    found = next(filter(None, (pattern.resolve(path) for pattern in patterns)))
    response = found.func(request, *found.args, **found.kwargs)
    response.render()
    return response.status_code, response.headers, response.content


class AtOnce:
    """An executor that works in the caller's thread, and so with its database connections."""

    def __enter__(self) -> "AtOnce":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

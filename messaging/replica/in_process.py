"""An authority that runs in the consumer's own process is asked by a call, without HTTP, address, token and connection."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from messaging import settings
from messaging.authority.refusals import refusal_of
from messaging.authority.rendering import rendered
from messaging.authority.service import Service, registration


def runs_here(feed: str) -> bool:
    """Return True if a feed's authority is in this process, and no address of it is set."""
    return not settings.api_url(feed) and settings.authority(feed) in settings.contexts()


def answer(feed: str, consumer: str, path: str, asked: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return the status and body of the answer to a consumer's request, as over HTTP. It is read in the caller's transaction.

    Parameters
    ----------
    path
        `changes/`, `fingerprints/`, `registration/`, or an id with a slash.
    asked
        The request's parameters.
    """
    try:
        return 200, rendered(_answer(Service(feed), consumer, path, asked))
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        return refusal.status, rendered(refusal.body)


def _answer(service: Service, consumer: str, path: str, asked: Mapping[str, Any]) -> Any:
    entry = service.consumer(consumer)
    if path == "changes/":
        return service.changes(entry, **asked)
    if path == "fingerprints/":
        return service.fingerprints(entry, **asked)
    if path == "registration/":
        return registration(entry)
    return service.record(entry, path.removesuffix("/"))


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

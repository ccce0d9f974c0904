"""An authority's changes as a consumer takes them: from the API's JSON straight to events with the consumer's own facts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, NotRequired, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from messaging.caches import Cache
from messaging.client import Unreachable
from messaging.handlers import Event

Facts = TypeVar("Facts")


class Change(TypedDict, Generic[Facts]):
    """One of them, with what is read of it."""

    id: str
    version: int
    position: int | None
    time: datetime
    announced: bool
    data: Facts


class Page(TypedDict, Generic[Facts]):
    """See `client.Page`."""

    head: int
    next: int
    time: str
    results: list[Change[Facts]]
    floor: NotRequired[int]
    mark: NotRequired[str]
    refused: NotRequired[list[int]]
    reported: NotRequired[int | None]


def page_reader(authority: str, cache: Cache) -> Callable[[bytes], Any]:
    """Reads a page's JSON in one go, its times and facts with it: half the time of reading JSON first and then what is in it."""
    validator = _pages(cache.reads)

    def read(raw: bytes) -> Any:
        try:
            page = validator.validate_json(raw)
            _lift(cache, page["results"])
        except ValidationError as error:
            raise _wrong(authority, cache, error) from None
        return page

    return read


def read(authority: str, cache: Cache, records: Sequence[Mapping[str, Any]]) -> list[Change[Any]]:
    """The same from records that are JSON's objects already."""
    try:
        found = list(_changes(cache.reads).validate_python(records))
        _lift(cache, found)
    except ValidationError as error:
        raise _wrong(authority, cache, error) from None
    return found


def events(authority: str, changes: Sequence[Change[Any]], correlation: str) -> list[Event]:
    """Changes as a cache's `apply` takes them."""
    return [
        Event(
            id=f"pull:{authority}:{change['position']}",
            source=authority,
            type="",
            subject=change["id"],
            version=change["version"],
            time=change["time"],
            correlation=correlation,
            causation=None,
            position=change["position"],
            data=change["data"],
        )
        for change in changes
    ]


def _lift(cache: Cache, found: Sequence[Change[Any]]) -> None:
    """Where the feed has an older version's fields still: what the cache's `apply` knows, in their place."""
    if cache.lifts is not None:
        for change in found:
            change["data"] = cache.lifts(change["data"])


def _wrong(authority: str, cache: Cache, error: ValidationError) -> Unreachable:
    if any(problem["type"] == "json_invalid" for problem in error.errors(include_input=False, include_url=False)):
        return Unreachable(f"{authority} answered with something that isn't JSON.")
    return Unreachable(
        f"{authority}'s records lack what this cache reads ({', '.join(cache.fields)}). "
        "Is the consumer registered with these fields? See: consumers list"
    )


@lru_cache(maxsize=32)
def _pages(reads: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(Page[reads])  # type: ignore[valid-type]


@lru_cache(maxsize=32)
def _changes(reads: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(list[Change[reads]])  # type: ignore[valid-type]

"""An authority's changes as a consumer takes them: from the API's JSON straight to events with the consumer's own facts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any

from django.core.exceptions import ValidationError as InvalidValue
from django.db import DataError
from pydantic import BaseModel, FailFast, TypeAdapter, ValidationError

from messaging.consumer.cache import Cache
from messaging.consumer.handlers import Event
from messaging.errors import Unreachable
from messaging.events.text import kind
from messaging.replica.answers import WireChange, WirePage
from messaging.replica.client import misread


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


def read_records(authority: str, cache: Cache, records: Sequence[Mapping[str, Any]]) -> list[WireChange[Any]]:
    """The same from records that are JSON's objects already."""
    try:
        found = list(_changes(cache.reads).validate_python(records))
        _lift(cache, found)
    except ValidationError as error:
        raise _wrong(authority, cache, error) from None
    return found


def events(authority: str, changes: Sequence[WireChange[Any]], correlation: str) -> list[Event]:
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
            deleted=change["deleted"] and not change.get("erased", True),
        )
        for change in changes
    ]


@contextmanager
def applying(authority: str) -> Iterator[None]:
    """Around writing what an authority told: a value that the consumer's database can't hold, as a text that is too long or a NUL
    character, is the authority's fault, and not the program's. Raises `Unreachable` for it."""
    try:
        yield
    except (DataError, InvalidValue, OverflowError) as error:
        raise Unreachable(f"{authority} answered with a value that can't be stored here: {kind(error)}.") from error


def _lift(cache: Cache, found: Sequence[WireChange[Any]]) -> None:
    """Where the feed has an older version's fields still: what the cache's `apply` knows, in their place."""
    if cache.upcast is not None:
        for change in found:
            change["data"] = cache.upcast(change["data"])


def _wrong(authority: str, cache: Cache, error: ValidationError) -> Unreachable:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    if any("data" in problem["loc"] for problem in problems):
        return Unreachable(
            f"{authority}'s records lack what this cache reads ({', '.join(cache.fields)}). "
            "Is the consumer registered with these fields? See: consumers list"
        )
    return misread(authority, error)


@lru_cache(maxsize=32)
def _pages(reads: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(WirePage[WireChange[reads]])  # type: ignore[valid-type]


@lru_cache(maxsize=32)
def _changes(reads: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[list[WireChange[reads]], FailFast()])  # type: ignore[valid-type, arg-type]

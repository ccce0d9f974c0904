"""How a request is read: strictly, and with bounds, so that no input is a surprise further in.

DRF's views import this module, by the settings; so it imports none of them.
"""

from collections.abc import Collection, Mapping
from typing import IO, Any

from django.http import QueryDict
from pydantic_core import from_json
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser

from messaging.events.text import plural

#: Bytes of JSON.
LARGEST_REQUEST_BYTES = 256 * 1024


class RequestTooLarge(APIException):
    """413: the body is longer than `limit` bytes."""

    status_code = 413

    def __init__(self, limit: int) -> None:
        super().__init__({"reason": "too_large", "detail": f"At most {plural(limit, 'byte')} of body. Ask in several requests."})


class Json(BaseParser):
    """JSON as RFC 8259 has it, in UTF-8 whatever the header says. Without NaN, lone surrogates, or a nesting that exhausts the
    stack: Python's own parser takes the first two and falls over the third."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        raw = stream.read(LARGEST_REQUEST_BYTES + 1)
        if len(raw) > LARGEST_REQUEST_BYTES:
            raise RequestTooLarge(LARGEST_REQUEST_BYTES)
        try:
            return from_json(raw, allow_inf_nan=False)
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None


class OnlyWhatThereIs(DefaultContentNegotiation):
    """What has one representation is shown in it, whatever `Accept` and `?format=` ask for: no 406 for a browser or a proxy."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        if len(renderers) == 1:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


def parameters(query: QueryDict, known: Collection[str]) -> dict[str, str]:
    """Those of the query's parameters that are known. One that comes twice is refused, since each reader would guess another;
    unknown ones are let through, so that a consumer may be newer than its authority."""
    given = {name: values for name, values in query.lists() if name in known}
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise ValidationError({name: ["Give it once."] for name in twice})
    return {name: values[0] for name, values in given.items()}

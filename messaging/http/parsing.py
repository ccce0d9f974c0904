"""Read requests strictly and within bounds.

DRF's views import this module through the settings, so it imports none of them.
"""

from collections.abc import Collection, Mapping
from typing import IO, Any

from django.http import QueryDict
from pydantic_core import from_json
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser

from messaging.events.text import plural

#: The largest body.
LARGEST_REQUEST_BYTES = 256 * 1024


class RequestTooLarge(APIException):
    """413: the body is longer than `limit` bytes."""

    status_code = 413

    def __init__(self, limit: int) -> None:
        detail = f"The body has more than {plural(limit, 'byte')}. Split it into several requests."
        super().__init__({"reason": "too_large", "detail": detail})


class Json(BaseParser):
    """Parse JSON as in RFC 8259, always as UTF-8.

    NaN, lone surrogates and very deep nesting are refused. Python's own parser accepts the first two and crashes on the third.
    """

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
    """Ignore `Accept` and `?format=` if a view has only one representation, so that browsers and proxies get no 406."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        if len(renderers) == 1:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


def parameters(query: QueryDict, known: Collection[str]) -> dict[str, str]:
    """Return the known parameters of a query. Raises `ValidationError` if one is repeated, because it would be ambiguous.

    Unknown parameters are ignored, so that a consumer may be newer than its authority.
    """
    given = {name: values for name, values in query.lists() if name in known}
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise ValidationError({name: ["Give this parameter only once."] for name in twice})
    return {name: values[0] for name, values in given.items()}

"""Give every error of the API one shape: `{"reason": …, "detail": …}`, for a program and for a person.

For wrong input, `fields` says which field breaks which rule: `{"since": ["This field is required."]}`. An element of a list has a
path as its name (`ids.3`), the input as a whole is `input`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import SuspiciousOperation
from django.http import Http404
from rest_framework.exceptions import APIException, NotFound, ParseError, PermissionDenied, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from messaging.authority.refusals import refusal_of

#: Wrong fields that are named, so that an answer isn't many times as long as its request.
MOST_FIELDS = 20

_REASONS = {
    400: "bad_request",
    401: "no_token",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "throttled",
}


def respond(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an error, or return None for a bug, which Django logs and answers with 500.

    DRF's own handler also rolls back the transactions of `ATOMIC_REQUESTS`. These views run in none: it would be a test's.
    """
    if isinstance(error, SuspiciousOperation):  # Django raises it for too many parameters, for example
        error = ParseError("The request is malformed, or has too many parameters.")
    if isinstance(error, Http404):
        error = NotFound(*error.args)
    if isinstance(error, DjangoPermissionDenied):
        error = PermissionDenied(*error.args)
    if refusal := refusal_of(error):
        return _response(refusal.body, refusal.status, "Bearer" if refusal.status == 401 else None, refusal.wait)
    if not isinstance(error, APIException):
        return None
    return _response(_body(error), error.status_code, getattr(error, "auth_header", None), getattr(error, "wait", None))


def answer(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an error of another view: `REST_FRAMEWORK["EXCEPTION_HANDLER"]` of projects that copied it from release 0.1.0."""
    response = respond(error, context)
    if response is not None:
        set_rollback()
    return response


def _response(body: Any, status: int, challenge: str | None, wait: float | None) -> Response:
    headers = {"WWW-Authenticate": challenge, "Retry-After": int(wait or 0)}
    return Response(body, status, headers={name: str(value) for name, value in headers.items() if value})


def _body(error: APIException) -> Any:
    if isinstance(error, ValidationError):
        return _wrong_fields(error.detail)
    if isinstance(error.detail, dict) and "reason" in error.detail:
        return error.detail
    known: Any = {"detail": error.detail} if isinstance(error.detail, str) else error.detail
    detail = str(known.get("detail", "The request failed.")) if isinstance(known, dict) else "The request failed."
    return {"reason": _REASONS.get(error.status_code, "error"), "detail": detail}


def _wrong_fields(errors: Any) -> dict[str, Any]:
    fields = dict(islice(_flat(errors), MOST_FIELDS))
    detail = " ".join(f"{name}: {' '.join(rules)}" for name, rules in islice(fields.items(), 3))
    return {"reason": "bad_request", "detail": detail, "fields": fields}


def _flat(errors: Any, *path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (path, rules) of DRF's nested errors."""
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _flat(inner, *path, *([] if name == api_settings.NON_FIELD_ERRORS_KEY else [str(name)]))
    else:
        yield ".".join(path) or "input", [str(rule) for rule in errors]

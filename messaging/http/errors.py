"""Give every error of the API one shape: `{"reason": …, "detail": …}`, for a program and for a person.

For wrong input, `fields` says which field breaks which rule: `{"since": ["This field is required."]}`. An element of a list has a
path as its name (`ids.3`), the input as a whole is `input`.
"""

import logging
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

from messaging.database import errors as database_errors
from messaging.errors import BeingEntered
from messaging.events.text import said

#: Wrong fields that are named, so that an answer isn't many times as long as its request.
MOST_FIELDS = 20

log = logging.getLogger(__name__)
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


class Forbidden(APIException):
    """403 with a reason that a program can read."""

    status_code = 403

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__({"reason": reason, "detail": detail})


class Gone(APIException):
    """410: the requested changes are no longer available. `more`: further keys of the answer."""

    status_code = 410

    def __init__(self, reason: str, detail: str, **more: Any) -> None:
        super().__init__()
        self.detail = {"reason": reason, "detail": detail, **more}  # APIException's constructor would turn numbers into text


class Unavailable(APIException):
    """503: the database can't be used now, the request kept colliding with others, or the feed lacks rows that are still being
    entered. It may succeed later. Consumers of every release wait then, and take nothing for complete."""

    status_code = 503

    def __init__(self, cause: Exception) -> None:
        if isinstance(cause, BeingEntered):
            self.wait, reason, detail = 30, "being_entered", str(cause)
        else:
            what = "is read-only now, like a standby" if database_errors.is_read_only(cause) else "can't be used now"
            self.wait, reason, detail = 1, "database_unavailable", f"The database {what}. Try again in a moment."
        super().__init__({"reason": reason, "detail": detail})


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
    if isinstance(error, BeingEntered):
        error = Unavailable(error)
    if database_errors.takes_nothing(error) or database_errors.collided(error):
        log.warning("a request can't be answered now: %s", said(error))
        database_errors.let_go()
        error = Unavailable(error)
    if not isinstance(error, APIException):
        return None
    headers = {"WWW-Authenticate": getattr(error, "auth_header", None), "Retry-After": int(getattr(error, "wait", None) or 0)}
    return Response(_body(error), error.status_code, headers={name: str(value) for name, value in headers.items() if value})


def answer(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an error of another view: `REST_FRAMEWORK["EXCEPTION_HANDLER"]` of projects that copied it from release 0.1.0."""
    response = respond(error, context)
    if response is not None:
        set_rollback()
    return response


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

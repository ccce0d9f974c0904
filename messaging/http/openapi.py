"""Describe in the OpenAPI schema how to authenticate, and every answer that a request can get.

A method that a path doesn't have always gets 405 with `Allow`, so the schema doesn't repeat it.
"""

from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from messaging.events.contract import WIRE_TYPE
from messaging.http import parsing, serializers


class ConsumerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "messaging.http.authentication.ConsumerToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A consumer's token, from `manage.py consumers register <name> --to <authority>`. Valid only there.",
        }


class Schema(AutoSchema):
    """Name operations with their authority, as in `users_changes`, because one view serves every authority."""

    def get_operation_id(self) -> str:
        authority, operation = getattr(self.view, "authority", ""), getattr(self.view, "operation", "")
        return f"{authority}_{operation}" if authority and operation else str(super().get_operation_id())


def _described(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return `extend_schema` on top of `Schema`; by itself it extends the host's `DEFAULT_SCHEMA_CLASS`."""

    def decorate(method: Any) -> Any:
        method.kwargs = {"schema": Schema}
        return extend_schema(**options)(method)

    return decorate


_UNKNOWN = {
    401: OpenApiResponse(serializers.Reason, "`no_token`, `bad_header`, `unknown_token` (also if revoked) or `expired_token`.")
}
_RETRY_AFTER = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    description="Seconds until the next request is accepted.",
    response=[429],
)
_OFTEN = {429: OpenApiResponse(serializers.Reason, "`throttled`: too many requests from this consumer. Retry after `Retry-After`.")}
_WRONG = {400: OpenApiResponse(serializers.BadRequest, "`bad_request`: `fields` says which field breaks which rule.")}

changes = _described(
    parameters=[serializers.ChangesQuery, _RETRY_AFTER],
    responses={
        200: OpenApiResponse(serializers.Changes, "The changes, by position."),
        **_WRONG,
        **_UNKNOWN,
        **_OFTEN,
        403: OpenApiResponse(serializers.Reason, "`bootstrap_closed`: reading from `since` needs an open grant."),
        410: OpenApiResponse(
            serializers.BelowFloorSerializer, "`below_floor`: tombstones after `since` are purged. Bootstrap again from `since=0`."
        ),
    },
)
_FINGERPRINTS: dict[str, Any] = {
    "parameters": [_RETRY_AFTER],
    "responses": {
        **_OFTEN,
        200: OpenApiResponse(serializers.Fingerprints, "The results, in the order of the request, without unknown ids."),
        **_WRONG,
        **_UNKNOWN,
        413: OpenApiResponse(serializers.Reason, f"`too_large`: more than {parsing.LARGEST_REQUEST_BYTES} bytes."),
        415: OpenApiResponse(serializers.Reason, "`unsupported_media_type`: the body's `Content-Type` must be JSON."),
    },
}
fingerprints = _described(request=serializers.FingerprintsQuery, **_FINGERPRINTS)
plain_fingerprints = _described(request=serializers.PlainFingerprintsQuery, **_FINGERPRINTS)
_RECORD = {
    **_OFTEN,
    200: OpenApiResponse(serializers.ChangeSerializer, "Its current state."),
    **_WRONG,
    **_UNKNOWN,
    404: OpenApiResponse(serializers.Reason, "`unknown_id`: the authority has no aggregate with this id."),
}


def _of_id(kind: Any) -> list[OpenApiParameter]:
    return [OpenApiParameter("aggregate_id", kind, OpenApiParameter.PATH), _RETRY_AFTER]


record = _described(parameters=_of_id(OpenApiTypes.UUID), responses=_RECORD)
plain_record = _described(parameters=_of_id(OpenApiTypes.STR), responses=_RECORD)
registration = _described(
    parameters=[_RETRY_AFTER],
    responses={200: OpenApiResponse(serializers.RegistrationSerializer, "The entry."), **_UNKNOWN, **_OFTEN},
)
_SCHEMAS = {
    "type": "object",
    "propertyNames": {"pattern": f"^{WIRE_TYPE.pattern}$"},
    "additionalProperties": {"type": "object", "description": "A JSON Schema (2020-12) of the event's `data`."},
}
contracts = _described(responses={200: OpenApiResponse(_SCHEMAS, "The schemas by event type, as in `users.user.suspended.v1`.")})

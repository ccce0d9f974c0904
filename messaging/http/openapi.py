"""What the OpenAPI schema says beside the shapes: how to authenticate, and every answer that a request can get.

A method that a path doesn't have gets 405 with `Allow`, wherever; the schema lists what the methods answer that are there.
"""

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
            "description": "A consumer's token, from `consumers register <name> --to <authority>`. It counts there only.",
        }


class Schema(AutoSchema):
    """One view serves every authority, so its operation is named by the authority too: `users_changes`."""

    def get_operation_id(self) -> str:
        authority, operation = getattr(self.view, "authority", ""), getattr(self.view, "operation", "")
        return f"{authority}_{operation}" if authority and operation else str(super().get_operation_id())


_UNKNOWN = {
    401: OpenApiResponse(serializers.Reason, "`no_token`, `bad_header`, `unknown_token` (revoked ones too) or `expired_token`.")
}
_RETRY_AFTER = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    description="Seconds until the next request is taken.",
    response=[429],
)
_OFTEN = {
    429: OpenApiResponse(serializers.Reason, "`throttled`: too many requests of this consumer; come again after `Retry-After`.")
}
_WRONG = {400: OpenApiResponse(serializers.BadRequest, "`bad_request`: field by field, what is wrong with the input.")}

changes = extend_schema(
    parameters=[serializers.ChangesQuery, _RETRY_AFTER],
    responses={
        200: OpenApiResponse(serializers.Changes, "In the order of positions."),
        **_WRONG,
        **_UNKNOWN,
        **_OFTEN,
        403: OpenApiResponse(serializers.Reason, "`bootstrap_closed`: no grant is open to read from there."),
        410: OpenApiResponse(serializers.BelowFloorSerializer, "`below_floor`: tombstones behind `since` are gone. Bootstrap."),
    },
)
fingerprints = extend_schema(
    request=serializers.FingerprintsQuery,
    parameters=[_RETRY_AFTER],
    responses={
        **_OFTEN,
        200: OpenApiResponse(serializers.Fingerprints, "What was asked for, in its order; records of unknown ids are left out."),
        **_WRONG,
        **_UNKNOWN,
        413: OpenApiResponse(serializers.Reason, f"`too_large`: more than {parsing.LARGEST_REQUEST_BYTES} bytes."),
        415: OpenApiResponse(serializers.Reason, "`unsupported_media_type`: the body is JSON, and says so."),
    },
)
record = extend_schema(
    parameters=[OpenApiParameter("aggregate_id", OpenApiTypes.UUID, OpenApiParameter.PATH), _RETRY_AFTER],
    responses={
        **_OFTEN,
        200: OpenApiResponse(serializers.ChangeSerializer, "Its present state."),
        **_WRONG,
        **_UNKNOWN,
        404: OpenApiResponse(serializers.Reason, "`unknown_id`: there was never such an aggregate."),
    },
)
registration = extend_schema(
    parameters=[_RETRY_AFTER],
    responses={200: OpenApiResponse(serializers.RegistrationSerializer, "The entry."), **_UNKNOWN, **_OFTEN},
)


def contracts(context: str) -> Any:
    """For a context's `contracts/`: an object of event type to JSON Schema."""
    schemas = {
        "type": "object",
        "propertyNames": {"pattern": f"^{WIRE_TYPE.pattern}$"},
        "additionalProperties": {"type": "object", "description": "A JSON Schema (2020-12) of the event's `data`."},
    }
    return extend_schema(
        operation_id=f"{context}_contracts",
        description=f"The JSON Schemas of the events that {context} publishes, by type. Open to everybody.",
        responses={200: OpenApiResponse(schemas, "By event type, as `users.user.suspended.v1`.")},
    )

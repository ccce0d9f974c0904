"""Who may read an authority's API: consumers of its register, by bearer token."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from messaging import tokens


class Forbidden(APIException):
    """403 with a reason that a program can read."""

    status_code = 403

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__({"reason": reason, "detail": detail})


class Gone(APIException):
    """410: what was asked for can't be told any more."""

    status_code = 410

    def __init__(self, reason: str, detail: str, **more: Any) -> None:
        super().__init__({"reason": reason, "detail": detail})
        self.detail = {"reason": reason, "detail": detail, **more}


class ConsumerToken(BaseAuthentication):
    """`Authorization: Bearer …`; the consumer it belongs to is the request's `auth`."""

    authority = ""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Any] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if parts[0].lower() != b"bearer" or len(parts) != 2:
            raise AuthenticationFailed({"reason": "bad_header", "detail": "Send the header as: Authorization: Bearer <token>."})
        try:
            consumer = tokens.by_token(self.authority, parts[1].decode("ascii", "replace"))
        except tokens.TokenRejected as error:
            raise AuthenticationFailed({"reason": error.reason, "detail": str(error)}) from None
        return AnonymousUser(), consumer

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class RegisteredConsumer(BasePermission):
    """Nobody else."""

    message = {"reason": "no_token", "detail": "This needs a consumer's token: consumers register <name> --to <authority>."}

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.auth is not None


def token_for(authority: str) -> type[ConsumerToken]:
    """The authentication for one authority's API: a token counts at the authority that gave it, and nowhere else."""
    return type("ConsumerToken", (ConsumerToken,), {"authority": authority})

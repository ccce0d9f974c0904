"""Who may read an authority's API: consumers of its register, by bearer token."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from messaging import settings
from messaging.errors import TokenRejected
from messaging.publisher import tokens


class ConsumerToken(BaseAuthentication):
    """`Authorization: Bearer …`; the consumer it belongs to is the request's `auth`. A token counts at the authority that gave it,
    and nowhere else."""

    def __init__(self, authority: str) -> None:
        self.authority = authority

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Any] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if parts[0].lower() != b"bearer" or len(parts) != 2:
            raise AuthenticationFailed({"reason": "bad_header", "detail": "Send the header as: Authorization: Bearer <token>."})
        try:
            consumer = tokens.by_token(settings.authority(self.authority), parts[1].decode("ascii", "replace"))
        except TokenRejected as error:
            raise AuthenticationFailed({"reason": error.reason, "detail": str(error)}) from None
        if self.authority not in (consumer.feeds or [settings.authority(self.authority)]):
            detail = (
                f"This token of {consumer.name} doesn't open {self.authority}, only {', '.join(consumer.feeds) or 'the main feed'}."
            )
            raise AuthenticationFailed({"reason": "unknown_token", "detail": detail})
        return AnonymousUser(), consumer

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class RegisteredConsumer(BasePermission):
    """Nobody else."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.auth is None:  # raised here: DRF has a sentence of its own for it, without a reason
            detail = "This needs a consumer's token: consumers register <name> --to <authority>."
            raise NotAuthenticated({"reason": "no_token", "detail": detail})
        return True

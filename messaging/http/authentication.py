"""Let the registered consumers of an authority read its API, by bearer token."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from messaging import settings
from messaging.authority.service import admitted
from messaging.errors import TokenRejected
from messaging.models import Consumer
from messaging.publisher import tokens


class ConsumerToken(BaseAuthentication):
    """Authenticate `Authorization: Bearer …`; the token's consumer becomes the request's `auth`.

    A token is valid only at the authority that issued it.
    """

    def __init__(self, authority: str) -> None:
        self.authority = authority

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Any]:
        return AnonymousUser(), admitted(self.authority, self._by_token(request))

    def _by_token(self, request: Request) -> Consumer:
        parts = get_authorization_header(request).split()
        if not parts:  # refused here, because of None DRF makes what the host's `UNAUTHENTICATED_TOKEN` returns
            raise NotAuthenticated({"reason": "no_token", "detail": "Send a consumer's token, as: Authorization: Bearer <token>."})
        if parts[0].lower() != b"bearer" or len(parts) != 2:
            raise AuthenticationFailed({"reason": "bad_header", "detail": "Send the header as: Authorization: Bearer <token>."})
        try:
            return tokens.by_token(settings.authority(self.authority), parts[1].decode("ascii", "replace"))
        except TokenRejected as error:
            raise AuthenticationFailed({"reason": error.reason, "detail": str(error)}) from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

"""Let the registered consumers of an authority read its API, by bearer token."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from messaging import settings
from messaging.errors import NotRegistered, TokenRejected
from messaging.http.local import LocalRequest
from messaging.models import Consumer
from messaging.publisher import entries, tokens


class ConsumerToken(BaseAuthentication):
    """Authenticate `Authorization: Bearer …`; the token's consumer becomes the request's `auth`.

    A token is valid only at the authority that issued it.
    """

    def __init__(self, authority: str) -> None:
        self.authority = authority

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Any]:
        sent = request._request
        consumer = self._local(sent.consumer) if isinstance(sent, LocalRequest) else self._by_token(request)
        feeds = consumer.feeds or [settings.authority(self.authority)]
        if self.authority not in feeds:
            detail = f"The token of {consumer.name} isn't valid for the feed {self.authority}, only for: {', '.join(feeds)}."
            raise AuthenticationFailed({"reason": "unknown_token", "detail": detail})
        return AnonymousUser(), consumer

    def _local(self, name: str) -> Consumer:
        authority = settings.authority(self.authority)
        try:
            return entries.get(authority, name)
        except NotRegistered:
            detail = f"{name} isn't registered with {authority}. Register it: manage.py consumers register {name} --to {authority}"
            raise AuthenticationFailed({"reason": "not_registered", "detail": detail}) from None

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

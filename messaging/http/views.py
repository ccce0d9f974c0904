"""An authority's API for its consumers: the feed, fingerprints, one record, the consumer's own registration.

A context's `api/urls.py` includes it: `path("", include(urls("users")))`.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import UUIDField
from django.urls import URLPattern, path, re_path
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from messaging.authority.service import Service, registration
from messaging.database.keys import stored_field
from messaging.http import authentication, openapi, parsing, serializers, throttling
from messaging.http.base import OwnView
from messaging.models import Consumer
from messaging.publisher import schemas
from messaging.publisher.feed import declared_feed


class ConsumerView(OwnView):
    """Base of the views that need a consumer's token of this authority."""

    throttle_classes = (throttling.ConsumerThrottle,)
    http_method_names = ("get", "head", "post")

    def get_authenticators(self) -> list[Any]:
        return [authentication.ConsumerToken(self.authority)]

    def service(self) -> Service:
        return Service(self.authority)

    def consumer(self, request: Request) -> Consumer:
        consumer: Consumer = request.auth
        return consumer


def valid(query: "Serializer[Any]") -> Mapping[str, Any]:
    """Return what a request asks for. Raises DRF's `ValidationError`."""
    query.is_valid(raise_exception=True)
    asked: Mapping[str, Any] = query.validated_data
    return asked


class ChangesView(ConsumerView):
    operation = "changes"

    @openapi.changes
    def get(self, request: Request) -> Response:
        """Return the changes after a position: each aggregate once, at its latest change, tombstones included.

        `since=0` is the bootstrap. With `wait`, the answer waits for a change, at most so many seconds.
        """
        given = parsing.parameters(request.query_params, serializers.ChangesQuery().fields)
        asked = valid(serializers.ChangesQuery(data=given))
        return Response(self.service().changes(self.consumer(request), **asked))


class FingerprintsView(ConsumerView):
    operation = "fingerprints"
    query_class: type[serializers.FingerprintsQuery] = serializers.FingerprintsQuery

    @openapi.fingerprints
    def post(self, request: Request) -> Response:
        """Return fingerprints of id ranges, the rows of ranges, or the records of ids.

        The method is range-based set reconciliation: Meyer 2022, arXiv 2212.13567.
        """
        asked = dict(valid(self.query_class(data=request.data)))
        if "ids" in asked:
            asked["ids"] = [str(key) for key in asked["ids"]]
        return Response(self.service().fingerprints(self.consumer(request), **asked))


class PlainFingerprintsView(FingerprintsView):
    query_class = serializers.PlainFingerprintsQuery

    @openapi.plain_fingerprints
    def post(self, request: Request) -> Response:
        return super().post(request)


class RecordView(ConsumerView):
    operation = "record"
    query_class: type[Serializer[Any]] = serializers.RecordQuery

    @openapi.record
    def get(self, request: Request, aggregate_id: str) -> Response:
        """Return one aggregate, for a lookup on a miss."""
        key = str(valid(self.query_class(data={"aggregate_id": aggregate_id}))["aggregate_id"])
        return Response(self.service().record(self.consumer(request), key))


class PlainRecordView(RecordView):
    query_class = serializers.PlainRecordQuery

    @openapi.plain_record
    def get(self, request: Request, aggregate_id: str) -> Response:
        return super().get(request, aggregate_id)


class RegistrationView(ConsumerView):
    operation = "registration"

    @openapi.registration
    def get(self, request: Request) -> Response:
        """Return the entry in the register of the consumer that sent the request."""
        return Response(registration(self.consumer(request)))


class ContractsView(OwnView):
    operation = "contracts"
    http_method_names = ("get", "head")

    @openapi.contracts
    def get(self, request: Request) -> Response:
        """Return the JSON Schemas of the events that the context publishes, by type. No token is needed: they hold no data."""
        return Response(dict(schemas(self.authority)))


@extend_schema(exclude=True)
class ElsewhereView(OwnView):
    """Answer every other path of an authority with 404, in the API's own shape, also without a token."""

    http_method_names = ()

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise NotFound({"reason": "unknown_path", "detail": "No such path. Paths end in a slash: see /api/docs/."})


def urls(authority: str) -> list[URLPattern]:
    """Return the URLs of an authority's API."""
    feed = declared_feed(authority)
    if feed is None:
        return []
    uuids = isinstance(stored_field(feed.tracked.key), UUIDField)
    compared, record = (FingerprintsView, RecordView) if uuids else (PlainFingerprintsView, PlainRecordView)
    return [
        path("changes/", ChangesView.as_view(authority=authority), name=f"{authority}-changes"),
        path("fingerprints/", compared.as_view(authority=authority), name=f"{authority}-fingerprints"),
        path("registration/", RegistrationView.as_view(authority=authority), name=f"{authority}-registration"),
        path("<str:aggregate_id>/", record.as_view(authority=authority), name=f"{authority}-record"),
        re_path("", ElsewhereView.as_view()),
    ]


def contracts_url(context: str) -> URLPattern:
    """Return the URL of a context's contracts."""
    return path("contracts/", ContractsView.as_view(authority=context), name=f"{context}-contracts")

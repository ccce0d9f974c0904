"""An authority's API for its consumers: the feed, fingerprints, one record, the consumer's own registration.

Mounted by a context's `api/urls.py`: `path("", include(urls("users")))`.
"""

import time
from typing import Any

from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from messaging import conf, feed, fingerprints, grants, registry
from messaging.api import access, shapes
from messaging.feeds import Feed
from messaging.models import Consumer

#: Seconds between two looks of a long poll.
LOOK = 0.2

DENIED: dict[int, Any] = {
    401: OpenApiResponse(shapes.Reason, "No token, or one that isn't known or has expired."),
    403: OpenApiResponse(shapes.Reason, "The token may not do this; the reason says why."),
}
WRONG = {400: OpenApiResponse(description="Field by field, what is wrong with the input.")}


@method_decorator(gzip_page, name="dispatch")
class ConsumerView(APIView):
    """Base: only for a consumer with a token of this authority."""

    authority = ""
    permission_classes = (access.RegisteredConsumer,)

    def get_authenticators(self) -> list[Any]:
        return [access.token_for(self.authority)()]

    def feed(self) -> Feed:
        declared = conf.feed(self.authority)
        if declared is None:  # `urls` only mounts authorities that have one
            raise NotFound({"reason": "no_feed", "detail": f"{self.authority} has no feed."})
        return declared

    def consumer(self, request: Request) -> Consumer:
        consumer: Consumer = request.auth
        return consumer


class ChangesView(ConsumerView):
    @extend_schema(
        parameters=[shapes.ChangesQuery],
        responses={
            200: shapes.Changes,
            **WRONG,
            **DENIED,
            410: OpenApiResponse(shapes.BelowFloor, "Tombstones below the floor are gone: bootstrap."),
        },
    )
    def get(self, request: Request) -> Response:
        """The changes behind a position, each aggregate once, at its latest change; tombstones included.

        `since=0` is the bootstrap. `wait` holds the answer until there is something, for so many seconds at most.
        """
        query = shapes.ChangesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked, consumer = query.validated_data, self.consumer(request)
        since = asked["since"]
        refused = grants.may_read(consumer, since)
        if refused:
            raise access.Forbidden(
                refused, f"Bootstrap is closed for {consumer.name}. Open it: consumers open {consumer.name} --ttl 1h"
            )
        floor = feed.floor(self.authority)
        if 0 < since < floor:
            raise access.Gone("below_floor", "Tombstones that you didn't see are gone. Start from since=0.", floor=floor)
        deadline = time.monotonic() + asked["wait"]
        while time.monotonic() < deadline and not feed.waits(self.authority, since):
            time.sleep(LOOK)
        page = feed.page(
            self.authority, self.feed(), since=since, until=asked.get("until"), limit=asked["limit"], fields=consumer.fields
        )
        if "checkpoint" in asked:
            registry.report_checkpoint(authority=self.authority, name=consumer.name, checkpoint=asked["checkpoint"])
            if asked["live"] and consumer.bootstrap_open:
                grants.close_bootstrap(authority=self.authority, name=consumer.name, position=asked["checkpoint"])
        return Response({"head": page.head, "next": page.next, "time": page.time, "results": page.results})


class FingerprintsView(ConsumerView):
    @extend_schema(request=shapes.FingerprintsQuery, responses={200: shapes.Fingerprints, **WRONG, **DENIED})
    def post(self, request: Request) -> Response:
        """Fingerprints of id ranges, the rows of ranges, or the records of ids: range-based set reconciliation.

        See Meyer, Range-Based Set Reconciliation (2022), arXiv 2212.13567.
        """
        query = shapes.FingerprintsQuery(data=request.data)
        query.is_valid(raise_exception=True)
        asked, fields = query.validated_data, self.consumer(request).fields
        answer: dict[str, Any] = {}
        if "ranges" in asked:
            answer["fingerprints"] = fingerprints.of_authority(self.authority, self.feed(), fields, asked["ranges"])
        if "rows" in asked:
            answer["rows"] = fingerprints.rows_of_authority(self.authority, self.feed(), fields, asked["rows"])
        if "ids" in asked:
            ids = [str(key) for key in asked["ids"]]
            answer["records"] = feed.records(self.authority, self.feed(), ids=ids, fields=fields)
        return Response(answer)


class RecordView(ConsumerView):
    @extend_schema(responses={200: shapes.Change, **DENIED, 404: OpenApiResponse(shapes.Reason, "There was never such an id.")})
    def get(self, request: Request, aggregate_id: Any) -> Response:
        """One aggregate, for a lookup on a miss."""
        found = feed.records(self.authority, self.feed(), ids=[str(aggregate_id)], fields=self.consumer(request).fields)
        if not found:
            raise NotFound({"reason": "unknown_id", "detail": f"There is no {self.feed().label} {aggregate_id}."})
        return Response(found[0])


class RegistrationView(ConsumerView):
    @extend_schema(responses={200: shapes.Registration, **DENIED})
    def get(self, request: Request) -> Response:
        """The asking consumer's own entry in the register."""
        return Response(shapes.Registration(self.consumer(request)).data)


def urls(authority: str) -> list[URLPattern]:
    """The URLs of an authority's API, to be included under `/api/<authority>/`."""
    if conf.feed(authority) is None:
        return []
    return [
        path("changes/", ChangesView.as_view(authority=authority), name=f"{authority}-changes"),
        path("fingerprints/", FingerprintsView.as_view(authority=authority), name=f"{authority}-fingerprints"),
        path("registration/", RegistrationView.as_view(authority=authority), name=f"{authority}-registration"),
        path("<uuid:aggregate_id>/", RecordView.as_view(authority=authority), name=f"{authority}-record"),
    ]

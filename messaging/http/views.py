"""An authority's API for its consumers: the feed, fingerprints, one record, the consumer's own registration.

A context's `api/urls.py` includes it: `path("", include(urls("users")))`.
"""

import time
from typing import Any

from django.db.models import UUIDField
from django.urls import URLPattern, path, re_path
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from messaging import settings
from messaging.database.keys import stored_field
from messaging.errors import NotRegistered
from messaging.fingerprints import fingerprints
from messaging.http import authentication, errors, openapi, parsing, serializers, throttling
from messaging.http.base import OwnView
from messaging.http.rendering import Written
from messaging.ledger import marks
from messaging.models import Consumer
from messaging.publisher import consumers, grants, pages, schemas
from messaging.publisher.feed import Feed, declared_feed
from messaging.settings import Alias, Context

#: Seconds between two looks of a long poll.
LOOK_SECONDS = 0.2


class ConsumerView(OwnView):
    """Base of the views that need a consumer's token of this authority."""

    throttle_classes = (throttling.ConsumerThrottle,)
    http_method_names = ("get", "head", "post")

    def get_authenticators(self) -> list[Any]:
        return [authentication.ConsumerToken(self.authority)]

    @property
    def context(self) -> Context:
        return settings.context(settings.authority(self.authority))

    @property
    def alias(self) -> Alias:
        return self.context.alias

    def feed(self) -> Feed:
        declared = declared_feed(self.authority)
        if declared is None:  # `urls` only mounts authorities that have one
            raise NotFound({"reason": "no_feed", "detail": f"{self.authority} has no feed."})
        return declared

    def consumer(self, request: Request) -> Consumer:
        consumer: Consumer = request.auth
        return consumer


class ChangesView(ConsumerView):
    operation = "changes"

    @openapi.changes
    def get(self, request: Request) -> Response:
        """Return the changes after a position: each aggregate once, at its latest change, tombstones included.

        `since=0` is the bootstrap. With `wait`, the answer waits for a change, at most so many seconds.
        """
        query = serializers.ChangesQuery(data=parsing.parameters(request.query_params, serializers.ChangesQuery().fields))
        query.is_valid(raise_exception=True)
        asked, consumer = query.validated_data, self.consumer(request)
        since = asked["since"]
        refused = grants.may_read(consumer, since)
        if refused:
            raise errors.Forbidden(
                refused,
                f"{consumer.name} has no open grant to read from the beginning. Where {self.context.name} runs, open one: "
                f"manage.py consumers open {consumer.name} --to {self.context.name} --ttl 1h",
            )
        deadline = time.monotonic() + asked["wait"]
        while time.monotonic() < deadline and not pages.waits(self.alias, since):
            time.sleep(LOOK_SECONDS)
        page = pages.page(
            self.alias, self.feed(), since=since, until=asked.get("until"), limit=asked["limit"], fields=consumer.fields
        )
        # Read after the page: a purge in between removes tombstones from the page, and moves the floor.
        floor = pages.floor(self.alias)
        if 0 < since < floor and asked.get("floor", 0) < floor:
            raise errors.Gone("below_floor", "Unread tombstones were purged. Read again from the beginning.", floor=floor)
        answer: dict[str, Any] = {}
        if "marks" in asked:
            answer = self.history(consumer, asked["marks"], min(page.next, page.head), reports="checkpoint" in asked)
        elif "checkpoint" in asked and consumer.marks:  # it went back to a release without marks, whose workers refuse them
            Consumer.objects.of(self.alias).filter(pk=consumer.pk).update(marks=False)
        if "checkpoint" in asked:
            self.note(consumer, min(asked["checkpoint"], page.head), live=asked["live"], grant=asked.get("grant"))
        answer |= {"head": page.head, "next": page.next, "time": page.time, "results": Written.list_of(page.results)}
        return Response({**answer, "floor": floor} if "floor" in asked else answer)  # older consumers accept only four keys

    def history(self, consumer: Consumer, shown: str, position: int, *, reports: bool) -> dict[str, Any]:
        """Return which of the consumer's pairs this authority didn't issue, and the mark of the answer's position."""
        if not consumer.marks:
            Consumer.objects.of(self.alias).filter(pk=consumer.pk).update(marks=True)
        pairs = [(int(place), mark) for place, _, mark in (pair.partition(":") for pair in shown.split(",")) if mark]
        issued = marks.at(self.alias, position)
        return {
            "mark": issued.mark if issued else "",
            "refused": marks.refused(self.alias, pairs),
            # While a grant is open, the consumer may start again from 0.
            "reported": consumer.checkpoint if reports and not consumer.bootstrap_open else None,
        }

    def note(self, consumer: Consumer, checkpoint: int, *, live: bool, grant: str | None) -> None:
        """Record a consumer's checkpoint, and close its grant if it is live. The checkpoint must not be above the head.

        Otherwise retention could delete later rows, and the feed would be closed up to there.
        """
        consumers.report_checkpoint(authority=self.context.name, name=consumer.name, checkpoint=checkpoint)
        if live and consumer.bootstrap_open:
            try:
                grants.close_bootstrap(authority=self.context.name, name=consumer.name, position=checkpoint, opened=grant)
            except NotRegistered as error:  # it was revoked while the request waited
                raise AuthenticationFailed({"reason": "unknown_token", "detail": str(error)}) from None


class FingerprintsView(ConsumerView):
    operation = "fingerprints"
    query_class: type[serializers.FingerprintsQuery] = serializers.FingerprintsQuery

    @openapi.fingerprints
    def post(self, request: Request) -> Response:
        """Return fingerprints of id ranges, the rows of ranges, or the records of ids.

        The method is range-based set reconciliation: Meyer 2022, arXiv 2212.13567.
        """
        query = self.query_class(data=request.data)
        query.is_valid(raise_exception=True)
        asked, fields = query.validated_data, self.consumer(request).fields
        answer: dict[str, Any] = {}
        if "ranges" in asked:
            answer["fingerprints"] = fingerprints.of_authority(self.alias, self.feed(), fields, asked["ranges"])
        if "rows" in asked:
            answer["rows"] = fingerprints.rows_of_authority(self.alias, self.feed(), fields, asked["rows"])
        if "ids" in asked:
            ids = [str(key) for key in asked["ids"]]
            answer["records"] = Written.list_of(pages.records(self.alias, self.feed(), ids=ids, fields=fields))
        return Response(answer)


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
        query = self.query_class(data={"aggregate_id": aggregate_id})
        query.is_valid(raise_exception=True)
        key = str(query.validated_data["aggregate_id"])
        found = pages.records(self.alias, self.feed(), ids=[key], fields=self.consumer(request).fields)
        if not found:
            raise NotFound({"reason": "unknown_id", "detail": f"There is no {self.feed().aggregate} {key}."})
        return Response(Written(found[0]))


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
        return Response(serializers.RegistrationSerializer(self.consumer(request)).data)


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

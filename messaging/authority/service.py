"""The requests of a consumer to its authority: the feed, fingerprints, one record, its own entry in the register.

Each method returns the answer's values, which `rendering` writes. It raises `Refusal`, and errors that `refusal_of` translates.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from messaging import settings
from messaging.authority.refusals import Refusal
from messaging.authority.rendering import Written
from messaging.errors import NotRegistered
from messaging.fingerprints import fingerprints
from messaging.ledger import marks
from messaging.models import Consumer
from messaging.publisher import consumers, entries, grants, pages
from messaging.publisher.feed import declared_feed

#: Seconds between two looks of a long poll.
LOOK_SECONDS = 0.2


class Service:
    """One feed of an authority of this process. Raises `Refusal` (404) if it has no such feed."""

    def __init__(self, name: str) -> None:
        declared = declared_feed(name)
        if declared is None:
            raise Refusal(404, "no_feed", f"{name} has no feed.")
        self.name, self.feed = name, declared
        self.context = settings.context(settings.authority(name))
        self.alias = self.context.alias

    def consumer(self, name: str) -> Consumer:
        """Return the entry of a consumer that runs in this process, and so needs no token. Raises `Refusal` (401)."""
        owner = self.context.name
        try:
            return admitted(self.name, entries.get(owner, name))
        except NotRegistered:
            detail = f"{name} isn't registered with {owner}. Register it: manage.py consumers register {name} --to {owner}"
            raise Refusal(401, "not_registered", detail) from None

    def changes(
        self,
        consumer: Consumer,
        *,
        since: int,
        limit: int,
        until: int | None = None,
        wait: int = 0,
        checkpoint: int | None = None,
        live: bool = False,
        grant: str | None = None,
        floor: int | None = None,
        marks: str | None = None,
    ) -> dict[str, Any]:
        """Return the changes after a position: each aggregate once, at its latest change, tombstones included.

        The parameters are those of the API (`http.serializers.ChangesQuery`); None is one that wasn't sent.
        """
        if refused := grants.may_read(consumer, since):
            raise Refusal(
                403,
                refused,
                f"{consumer.name} has no open grant to read from the beginning. Where {self.context.name} runs, open one: "
                f"manage.py consumers open {consumer.name} --to {self.context.name} --ttl 1h",
            )
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and not pages.waits(self.alias, since):
            time.sleep(LOOK_SECONDS)
        page = pages.page(self.alias, self.feed, since=since, until=until, limit=limit, fields=consumer.fields)
        # Read after the page: a purge in between removes tombstones from the page, and moves the floor.
        purged = pages.floor(self.alias)
        if 0 < since < purged and (floor or 0) < purged:
            raise Refusal(410, "below_floor", "Unread tombstones were purged. Read again from the beginning.", floor=purged)
        answer: dict[str, Any] = {}
        if marks is not None:
            answer = self._history(consumer, marks, min(page.next, page.head), reports=checkpoint is not None)
        elif checkpoint is not None and consumer.marks:  # it went back to a release without marks, whose workers refuse them
            Consumer.objects.of(self.alias).filter(pk=consumer.pk).update(marks=False)
        if checkpoint is not None:
            self._note(consumer, min(checkpoint, page.head), live=live, grant=grant)
        answer |= {"head": page.head, "next": page.next, "time": page.time, "results": Written.list_of(page.results)}
        return answer if floor is None else {**answer, "floor": purged}  # older consumers accept only four keys

    def fingerprints(
        self,
        consumer: Consumer,
        *,
        ranges: Sequence[Sequence[str]] | None = None,
        rows: Sequence[Sequence[str]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Return fingerprints of id ranges, the rows of ranges, and the records of ids, as asked for.

        The method is range-based set reconciliation: Meyer 2022, arXiv 2212.13567.
        """
        answer: dict[str, Any] = {}
        if ranges is not None:
            answer["fingerprints"] = fingerprints.of_authority(self.alias, self.feed, consumer.fields, ranges)
        if rows is not None:
            answer["rows"] = fingerprints.rows_of_authority(self.alias, self.feed, consumer.fields, rows)
        if ids is not None:
            answer["records"] = Written.list_of(pages.records(self.alias, self.feed, ids=ids, fields=consumer.fields))
        return answer

    def record(self, consumer: Consumer, key: str) -> Written:
        """Return one aggregate, for a lookup on a miss."""
        found = pages.records(self.alias, self.feed, ids=[key], fields=consumer.fields)
        if not found:
            raise Refusal(404, "unknown_id", f"There is no {self.feed.aggregate} {key}.")
        return Written(found[0])

    def _history(self, consumer: Consumer, shown: str, position: int, *, reports: bool) -> dict[str, Any]:
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

    def _note(self, consumer: Consumer, checkpoint: int, *, live: bool, grant: str | None) -> None:
        """Record a consumer's checkpoint, and close its grant if it is live. The checkpoint must not be above the head.

        Otherwise retention could delete later rows, and the feed would be closed up to there.
        """
        owner = self.context.name
        consumers.report_checkpoint(authority=owner, name=consumer.name, checkpoint=checkpoint)
        if live and consumer.bootstrap_open:
            try:
                grants.close_bootstrap(authority=owner, name=consumer.name, position=checkpoint, opened=grant)
            except NotRegistered as error:  # it was revoked while the request waited
                raise Refusal(401, "unknown_token", str(error)) from None


def admitted(feed: str, consumer: Consumer) -> Consumer:
    """Return the consumer if it may read this feed of its authority. Raises `Refusal` (401)."""
    feeds = grants.readable_feeds(consumer, settings.authority(feed))
    if feed not in feeds:
        detail = f"The token of {consumer.name} isn't valid for the feed {feed}, only for: {', '.join(feeds)}."
        raise Refusal(401, "unknown_token", detail)
    return consumer


def registration(consumer: Consumer) -> dict[str, Any]:
    """Return a consumer's entry in the register, as `messaging.models.Consumer` describes it. Times are in UTC."""
    return {
        "name": consumer.name,
        "queue": consumer.queue,
        "types": consumer.types,
        "fields": consumer.fields,
        "owners": consumer.owners,
        "staleness_seconds": consumer.staleness_seconds,
        "token_expires_at": _utc(consumer.token_expires_at),
        "bootstrap_open": consumer.bootstrap_open,
        "bootstrap_closes_at": _utc(consumer.bootstrap_closes_at),
        "grant": consumer.grant,
        "bootstrapped_to": consumer.bootstrapped_to,
        "checkpoint": consumer.checkpoint,
    }


def _utc(moment: datetime | None) -> datetime | None:
    """Return a time of the database in UTC; without a time zone in the host's settings it has none."""
    if moment is None:
        return None
    return moment.astimezone(UTC) if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)

"""The requests and answers of an authority's API."""

import re
from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import ISO_8601, serializers

from messaging.database.keys import AFTER, LONGEST_ID
from messaging.fingerprints.fingerprints import MOST_LISTED

MOST_CHANGES = 10_000
LONGEST_WAIT_SECONDS = 30
MOST_BOUNDS, MOST_ROWS, MOST_IDS = 25_000, 500, 1_000
LAST_POSITION = 2**63 - 1

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: A prefix of an id, in lower case; or a whole one and `AFTER`.
_BEGINNING = (
    "[0-9a-f]{0,8}|[0-9a-f]{8}-([0-9a-f]{0,4}|[0-9a-f]{4}-([0-9a-f]{0,4}|[0-9a-f]{4}-([0-9a-f]{0,4}|[0-9a-f]{4}-"
    f"([0-9a-f]{{0,12}}|[0-9a-f]{{12}}{AFTER}))))"
)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,40}", re.ASCII)


class Number(serializers.IntegerField):
    """A whole number in a query, in digits. Python's `int` also takes `1_000`, ` 7 ` and other scripts' digits, and DRF `1.0`."""

    def to_internal_value(self, data: Any) -> Any:
        if not _WHOLE_NUMBER.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Position(Number):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=LAST_POSITION, **options)


class Time(serializers.DateTimeField):
    """A time in UTC. By default DRF writes it in the host's `DATETIME_FORMAT` and `TIME_ZONE`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format=ISO_8601, default_timezone=UTC, **options)


class Id(serializers.UUIDField):
    """An aggregate's id in its only spelling. DRF also takes numbers, braces and `urn:uuid:`."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _ID.fullmatch(data):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class PlainId(serializers.Field[Any, Any, Any, Any]):
    """An aggregate's id where the keys aren't UUIDs. Another text than an id is the id of no aggregate."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not 0 < len(data) <= LONGEST_ID or "\x00" in data:
            raise serializers.ValidationError(f"Give an id: a text of 1 to {LONGEST_ID} characters, without NUL.")
        return data


class Few(serializers.ListField):
    """A list that is counted before its elements are read. DRF validates every element first."""

    def to_internal_value(self, data: Any) -> Any:
        if self.max_length is not None and isinstance(data, list) and len(data) > self.max_length:
            raise serializers.ValidationError(f"Ensure this field has no more than {self.max_length} elements.")
        return super().to_internal_value(data)


class ChangesQuery(serializers.Serializer[Any]):
    since = Position(help_text="Return the changes after this position; 0: from the beginning.")
    until = Position(required=False, help_text="The last position to return. Default: the head.")
    limit = Number(min_value=1, max_value=MOST_CHANGES, default=1000, help_text="The most changes to return.")
    wait = Number(
        min_value=0, max_value=LONGEST_WAIT_SECONDS, default=0, help_text="Seconds to wait for a change if there is none."
    )
    checkpoint = Position(
        required=False, help_text="The consumer has everything up to this position. It is recorded, but never above the head."
    )
    live = serializers.BooleanField(
        default=False, help_text="With `checkpoint`: the consumer is live from there, which ends its grant."
    )
    grant = serializers.RegexField(
        r"^[0-9a-f]{0,16}$",
        required=False,
        allow_blank=True,
        help_text="With `live`: the registration's `grant`, read before the consumer went live. A grant that was opened later "
        "then stays open. Without `grant`, any open grant ends.",
    )
    floor = Position(
        required=False,
        help_text="The `floor` that was returned for `since=0` when the consumer began its copy; 0 before that. The copy doesn't "
        "need tombstones up to there.",
    )
    marks = serializers.RegexField(
        r"^([0-9]{1,19}:[0-9a-f]{1,32}(,[0-9]{1,19}:[0-9a-f]{1,32})*)?$",
        required=False,
        allow_blank=True,
        max_length=12_000,
        help_text="The consumer's positions with their marks, as in `28:9f2c…,35:01ab…`; empty if it has none yet.",
    )


class RecordQuery(serializers.Serializer[Any]):
    aggregate_id = Id()


class PlainRecordQuery(serializers.Serializer[Any]):
    aggregate_id = PlainId()


class ChangeSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The key as text: a UUID, a whole number or another text, as the authority has it.")
    version = serializers.IntegerField(min_value=1)
    position = serializers.IntegerField(min_value=1, max_value=LAST_POSITION, allow_null=True, help_text="null: no position yet.")
    deleted = serializers.BooleanField(help_text="A tombstone: the aggregate was erased or deleted.")
    erased = serializers.BooleanField(
        help_text="The aggregate was erased, not only deleted. One that was only deleted may return with a higher version."
    )
    time = serializers.DateTimeField(help_text="The time of the last change, by the authority's clock.")
    announced = serializers.BooleanField(help_text="An event was recorded for this version.")
    data = serializers.DictField(help_text="The consumer's registered fields, as in the authority's contracts; no others.")


class Changes(serializers.Serializer[Any]):
    head = serializers.IntegerField(min_value=0, max_value=LAST_POSITION, help_text="The authority's last position.")
    next = serializers.IntegerField(min_value=0, max_value=LAST_POSITION, help_text="The `since` of the next page.")
    time = serializers.DateTimeField(help_text="The authority's time. A copy with everything up to `head` is current as of then.")
    results = ChangeSerializer(many=True)
    floor = serializers.IntegerField(
        min_value=0,
        max_value=LAST_POSITION,
        required=False,
        help_text="Tombstones up to this position may be purged. Returned only when the request sent `floor`.",
    )
    mark = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="The mark of the position `next`, or of the head if that is lower; empty if it has none. `mark`, `refused` and "
        "`reported` are returned only when the request sent `marks`.",
    )
    refused = serializers.ListField(
        child=serializers.IntegerField(min_value=0),
        required=False,
        help_text="Positions in `marks` that this authority didn't issue with their mark, or can no longer confirm.",
    )
    reported = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="With `checkpoint`: the highest checkpoint that the consumer had reported before; null: none.",
    )


class Reason(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="For a program.")
    detail = serializers.CharField(help_text="For a person.")


class BadRequest(Reason):
    fields = serializers.DictField(  # type: ignore[assignment]  # in the declaration; DRF's own `fields` is untouched by it
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="The broken rules of each wrong field. `ids.3` is an element of a list, `input` the whole input.",
    )


class BelowFloorSerializer(Reason):
    floor = serializers.IntegerField(min_value=0, help_text="Tombstones up to this position may be purged.")


class Bound(serializers.CharField):
    """An id or a prefix of one, so that the order as text is the order of ids. DRF's own field trims, and takes numbers."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not re.fullmatch(_BEGINNING, data):
            raise serializers.ValidationError("Give an id or a prefix of one, in lower case.")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return self.to_internal_value(data)


class PlainBound(Bound):
    """A bound where the keys aren't UUIDs: any text."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or len(data) > LONGEST_ID + 1 or "\x00" in data:
            raise serializers.ValidationError(f"Give a text of at most {LONGEST_ID + 1} characters, without NUL.")
        return data


_BOUND = {"type": "string", "pattern": f"^({_BEGINNING})$"}
_PLAIN_BOUND = {"type": "string", "maxLength": LONGEST_ID + 1}


class Bounds(Few):
    """Ids or prefixes of ids, ascending. "" is open: as the first bound it includes the lowest id, as the last the highest."""

    child = Bound()

    def run_validation(self, data: Any = serializers.empty) -> Any:
        bounds = super().run_validation(data)
        named = bounds if bounds and bounds[-1] else bounds[:-1]
        if len(bounds) < 2 or named != sorted(set(named)):
            raise serializers.ValidationError("Give at least two bounds, in ascending order.")
        return bounds


_RANGES = f"Lists of bounds, ascending, at most {MOST_BOUNDS} bounds in all. Each two adjacent bounds get a fingerprint."
_ROWS = f"Ranges [from, to). The first {MOST_LISTED} rows of each are returned."
_IDS = "Ids of aggregates. Their records are returned."


@extend_schema_field({"type": "array", "items": _BOUND, "minItems": 2, "maxItems": MOST_BOUNDS})
class Cuts(Bounds):
    """The bounds of adjoining ranges."""


@extend_schema_field({"type": "array", "items": _BOUND, "minItems": 2, "maxItems": 2})
class Range(Bounds):
    """[from, to)"""


@extend_schema_field({"type": "array", "items": _PLAIN_BOUND, "minItems": 2, "maxItems": MOST_BOUNDS})
class PlainCuts(Bounds):
    """The bounds of adjoining ranges."""

    child = PlainBound()


@extend_schema_field({"type": "array", "items": _PLAIN_BOUND, "minItems": 2, "maxItems": 2})
class PlainRange(Bounds):
    """[from, to)"""

    child = PlainBound()


class FingerprintsQuery(serializers.Serializer[Any]):
    """At least one of `ranges`, `rows` and `ids`."""

    ranges = Few(child=Cuts(max_length=MOST_BOUNDS), required=False, max_length=MOST_BOUNDS, help_text=_RANGES)
    rows = Few(child=Range(min_length=2, max_length=2), required=False, max_length=MOST_ROWS, help_text=_ROWS)
    ids = Few(child=Id(), required=False, max_length=MOST_IDS, help_text=_IDS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Give ranges, rows or ids.")
        if sum(len(bounds) for bounds in attrs.get("ranges", [])) > MOST_BOUNDS:
            raise serializers.ValidationError({"ranges": f"Give at most {MOST_BOUNDS} bounds in all."})
        return attrs


class PlainFingerprintsQuery(FingerprintsQuery):
    ranges = Few(child=PlainCuts(max_length=MOST_BOUNDS), required=False, max_length=MOST_BOUNDS, help_text=_RANGES)
    rows = Few(child=PlainRange(min_length=2, max_length=2), required=False, max_length=MOST_ROWS, help_text=_ROWS)
    ids = Few(child=PlainId(), required=False, max_length=MOST_IDS, help_text=_IDS)


@extend_schema_field(
    {
        "type": "array",
        "prefixItems": [
            {"type": "string", "description": "id"},
            {"type": "integer", "minimum": 1, "description": "version"},
            {"type": "string", "description": "hash"},
        ],
        "minItems": 3,
        "maxItems": 3,
    }
)
class Row(serializers.ListField):
    """[id, version, hash]"""


class Fingerprints(serializers.Serializer[Any]):
    fingerprints = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="For each list of bounds: one fingerprint between each two.",
    )
    rows = serializers.ListField(
        child=serializers.ListField(child=Row()), required=False, help_text="For each range: its rows [id, version, hash], by id."
    )
    records = ChangeSerializer(many=True, required=False)


class RegistrationSerializer(serializers.Serializer[Any]):
    """A row of the register, as `messaging.models.Consumer` describes it."""

    name = serializers.CharField()
    queue = serializers.CharField(help_text="The queue of its events; empty: it only pulls.")
    types = serializers.ListField(child=serializers.CharField(), help_text="The event types that it gets.")
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(), help_text="The fields of `data` that it gets; no others are sent."
    )
    owners = serializers.ListField(child=serializers.EmailField(), help_text="E-mail addresses that are notified of repairs.")
    staleness_seconds = serializers.IntegerField(min_value=0, help_text="The age that its decisions accept of its copy.")
    token_expires_at = Time()
    bootstrap_open = serializers.BooleanField(help_text="It may read the feed from the beginning.")
    bootstrap_closes_at = Time(
        allow_null=True,
        help_text="When the open grant ends; null: when the copy is live. If closed, null means that the copy went live.",
    )
    grant = serializers.CharField(
        allow_blank=True, help_text="Identifies its latest grant, to send with `live`; empty: the registration."
    )
    bootstrapped_to = serializers.IntegerField(
        min_value=0, max_value=LAST_POSITION, help_text="The position at which it last went live."
    )
    checkpoint = serializers.IntegerField(
        min_value=0, max_value=LAST_POSITION, allow_null=True, help_text="The last checkpoint that it reported; null: none yet."
    )

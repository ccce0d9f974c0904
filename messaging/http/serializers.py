"""What goes in and out of an authority's API."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from messaging.fingerprints.fingerprints import MOST_LISTED

MOST_CHANGES = 10_000
LONGEST_WAIT_SECONDS = 30
MOST_BOUNDS, MOST_ROWS, MOST_IDS = 2_000, 500, 1_000
LAST_POSITION = 2**63 - 1

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: An id in small letters, broken off anywhere.
_BEGINNING = (
    "[0-9a-f]{0,8}|[0-9a-f]{8}-([0-9a-f]{0,4}|[0-9a-f]{4}-([0-9a-f]{0,4}|[0-9a-f]{4}-([0-9a-f]{0,4}|[0-9a-f]{4}-[0-9a-f]{0,12})))"
)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,40}", re.ASCII)


class Number(serializers.IntegerField):
    """A whole number of a query, in digits. Python's `int` takes `1_000`, ` 7 ` and other scripts' digits too, DRF `1.0`."""

    def to_internal_value(self, data: Any) -> Any:
        if not _WHOLE_NUMBER.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Position(Number):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=LAST_POSITION, **options)


class Id(serializers.UUIDField):
    """An aggregate's id in its one spelling; DRF takes numbers, braces and `urn:uuid:` too."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _ID.fullmatch(data):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class Few(serializers.ListField):
    """A list that is counted first. DRF looks into every element before it finds that they are too many."""

    def to_internal_value(self, data: Any) -> Any:
        if self.max_length is not None and isinstance(data, list) and len(data) > self.max_length:
            raise serializers.ValidationError(f"Ensure this field has no more than {self.max_length} elements.")
        return super().to_internal_value(data)


class ChangesQuery(serializers.Serializer[Any]):
    since = Position(help_text="Where to go on from; 0: the beginning.")
    until = Position(required=False, help_text="The last position that is wanted; else the head.")
    limit = Number(min_value=1, max_value=MOST_CHANGES, default=1000, help_text="The most changes that are wanted.")
    wait = Number(
        min_value=0, max_value=LONGEST_WAIT_SECONDS, default=0, help_text="Seconds to wait for a change where there is none."
    )
    checkpoint = Position(
        required=False, help_text="Up to where the consumer has everything. It is noted, as far as the head goes."
    )
    live = serializers.BooleanField(
        default=False, help_text="With `checkpoint`: the consumer has gone live there, which ends its bootstrap."
    )
    grant = serializers.RegexField(
        r"^[0-9a-f]{0,16}$",
        required=False,
        allow_blank=True,
        help_text="With `live`: the registration's `grant`, read before the consumer went live. A bootstrap that was opened since "
        "stays open. Without it, any is ended.",
    )
    floor = Position(
        required=False,
        help_text="The `floor` that was told with `since=0`, when the consumer began its copy; 0 before. What was purged up to "
        "there it need not know.",
    )
    marks = serializers.RegexField(
        r"^([0-9]{1,19}:[0-9a-f]{1,32}(,[0-9]{1,19}:[0-9a-f]{1,32})*)?$",
        required=False,
        allow_blank=True,
        max_length=12_000,
        help_text="The positions that the consumer has with their marks, as `28:9f2c…,35:01ab…`; empty where it has none yet.",
    )


class RecordQuery(serializers.Serializer[Any]):
    aggregate_id = Id()


class ChangeSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField(min_value=1)
    position = serializers.IntegerField(min_value=1, max_value=LAST_POSITION, allow_null=True, help_text="null: not stamped yet.")
    deleted = serializers.BooleanField(help_text="A tombstone: it was erased or deleted.")
    erased = serializers.BooleanField(
        help_text="It was erased, for good. What was only deleted may come again, with a higher version."
    )
    time = serializers.DateTimeField(help_text="When it changed last, by the authority's clock.")
    announced = serializers.BooleanField(help_text="Whether an event was recorded for this version.")
    data = serializers.DictField(help_text="The consumer's fields, as the authority's contracts describe them; no others.")


class Changes(serializers.Serializer[Any]):
    head = serializers.IntegerField(min_value=0, max_value=LAST_POSITION, help_text="The authority's last position.")
    next = serializers.IntegerField(min_value=0, max_value=LAST_POSITION, help_text="The `since` of the next page.")
    time = serializers.DateTimeField(help_text="The authority's time; who has everything up to `head` is as fresh as this.")
    results = ChangeSerializer(many=True)
    floor = serializers.IntegerField(
        min_value=0,
        max_value=LAST_POSITION,
        required=False,
        help_text="Tombstones up to this position may be gone. It is told to who sent `floor`.",
    )
    mark = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="The mark of the position `next`, or of the head where that is lower; empty where it has none. Returned, as the "
        "next two are, only when the request sent `marks`.",
    )
    refused = serializers.ListField(
        child=serializers.IntegerField(min_value=0),
        required=False,
        help_text="Positions in `marks` that this authority didn't issue with their mark, or of which it can't tell any more.",
    )
    reported = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="With `checkpoint`: the highest one that the consumer had reported before; null: none.",
    )


class Reason(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="For a program.")
    detail = serializers.CharField(help_text="For a person.")


class BadRequest(Reason):
    fields = serializers.DictField(  # type: ignore[assignment]  # in the declaration; DRF's own `fields` is untouched by it
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong with which field. `ids.3` is one in a list, `input` the whole.",
    )


class BelowFloorSerializer(Reason):
    floor = serializers.IntegerField(min_value=0, help_text="Tombstones up to this position may be gone.")


class Bound(serializers.CharField):
    """An id or the beginning of one: so order as text is order of ids. DRF's own way trims, and takes numbers."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not re.fullmatch(_BEGINNING, data):
            raise serializers.ValidationError("An id or the beginning of one, in small letters.")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return self.to_internal_value(data)


_BOUND = {"type": "string", "pattern": f"^({_BEGINNING})$"}


class Bounds(Few):
    """Ids, or beginnings of ids, in ascending order; "" stands for the beginning at the first place and for the end at the last."""

    child = Bound()

    def run_validation(self, data: Any = serializers.empty) -> Any:
        bounds = super().run_validation(data)
        named = bounds if bounds and bounds[-1] else bounds[:-1]
        if len(bounds) < 2 or named != sorted(set(named)):
            raise serializers.ValidationError("Two bounds at least, in ascending order.")
        return bounds


@extend_schema_field({"type": "array", "items": _BOUND, "minItems": 2, "maxItems": MOST_BOUNDS})
class Cuts(Bounds):
    """The bounds of adjoining ranges."""


@extend_schema_field({"type": "array", "items": _BOUND, "minItems": 2, "maxItems": 2})
class Range(Bounds):
    """[from, to)"""


class FingerprintsQuery(serializers.Serializer[Any]):
    """At least one of the three."""

    ranges = Few(
        child=Cuts(max_length=MOST_BOUNDS),
        required=False,
        max_length=MOST_BOUNDS,
        help_text=f"Bounds in ascending order, at most {MOST_BOUNDS} in all: a fingerprint for what is between each two.",
    )
    rows = Few(
        child=Range(min_length=2, max_length=2),
        required=False,
        max_length=MOST_ROWS,
        help_text=f"[from, to): the first {MOST_LISTED} rows of each.",
    )
    ids = Few(child=Id(), required=False, max_length=MOST_IDS, help_text="Aggregates: their records.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Ask for ranges, rows or ids.")
        if sum(len(bounds) for bounds in attrs.get("ranges", [])) > MOST_BOUNDS:
            raise serializers.ValidationError({"ranges": f"At most {MOST_BOUNDS} bounds in all."})
        return attrs


@extend_schema_field(
    {
        "type": "array",
        "prefixItems": [
            {"type": "string", "format": "uuid", "description": "id"},
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
        help_text="For each list of bounds, one fingerprint between each two.",
    )
    rows = serializers.ListField(
        child=serializers.ListField(child=Row()), required=False, help_text="For each range its rows as [id, version, hash], by id."
    )
    records = ChangeSerializer(many=True, required=False)


class RegistrationSerializer(serializers.Serializer[Any]):
    """A row of the register, as `messaging.models.Consumer` describes it."""

    name = serializers.CharField()
    queue = serializers.CharField(help_text="The queue that its copies go to.")
    types = serializers.ListField(child=serializers.CharField(), help_text="Event types it gets.")
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(), help_text="Fields of `data` that it sees; nothing else leaves."
    )
    owners = serializers.ListField(child=serializers.EmailField(), help_text="E-mail addresses that hear of repairs.")
    staleness_seconds = serializers.IntegerField(min_value=0, help_text="How old its copy may be for its decisions.")
    token_expires_at = serializers.DateTimeField()
    bootstrap_open = serializers.BooleanField(help_text="Whether it may read the feed from the beginning.")
    bootstrap_closes_at = serializers.DateTimeField(
        allow_null=True, help_text="When that ends by itself; null: with its success. Closed: null says that it went live."
    )
    grant = serializers.CharField(
        allow_blank=True, help_text="Which opening of its bootstrap was the last, to be sent with `live`; empty: the registration."
    )
    bootstrapped_to = serializers.IntegerField(min_value=0, max_value=LAST_POSITION, help_text="Where it last went live.")
    checkpoint = serializers.IntegerField(
        min_value=0, max_value=LAST_POSITION, allow_null=True, help_text="The last that it reported; null: none yet."
    )

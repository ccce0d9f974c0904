"""What goes in and out of an authority's API."""

from typing import Any

from rest_framework import serializers

from messaging.models import Consumer

MOST_CHANGES = 10_000
LONGEST_WAIT = 30
MOST_BOUNDS, MOST_ROWS, MOST_IDS = 2_000, 500, 1_000
LAST_POSITION = 2**63 - 1


class ChangesQuery(serializers.Serializer[Any]):
    since = serializers.IntegerField(
        min_value=0, max_value=LAST_POSITION, help_text="Where to go on from; 0: the beginning."
    )
    until = serializers.IntegerField(
        min_value=0,
        max_value=LAST_POSITION,
        required=False,
        help_text="The last position that is wanted; else the head.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=MOST_CHANGES, default=1000)
    wait = serializers.IntegerField(
        min_value=0, max_value=LONGEST_WAIT, default=0, help_text="Seconds to wait for a change where there is none."
    )
    checkpoint = serializers.IntegerField(
        min_value=0, max_value=LAST_POSITION, required=False, help_text="Up to where the consumer has everything; it is noted."
    )
    live = serializers.BooleanField(default=False, help_text="The consumer has gone live, which ends its bootstrap.")


class Change(serializers.Serializer[Any]):
    id = serializers.CharField()
    version = serializers.IntegerField()
    position = serializers.IntegerField(allow_null=True)
    deleted = serializers.BooleanField(help_text="A tombstone: erased for good.")
    time = serializers.DateTimeField(help_text="When it changed last, by the authority's clock.")
    announced = serializers.BooleanField(help_text="Whether an event was recorded for this version.")
    data = serializers.DictField(help_text="The consumer's fields.")


class Changes(serializers.Serializer[Any]):
    head = serializers.IntegerField(help_text="The authority's last position.")
    next = serializers.IntegerField(help_text="The `since` of the next page.")
    time = serializers.DateTimeField(help_text="The authority's time; who has everything up to `head` is as fresh as this.")
    results = Change(many=True)


class Reason(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="For a program.")
    detail = serializers.CharField(help_text="For a person.")


class BelowFloor(Reason):
    floor = serializers.IntegerField()


class Bounds(serializers.ListField):
    """Ids, or beginnings of ids, in ascending order; "" stands for the beginning at the first place and for the end at the last."""

    child = serializers.RegexField(r"^[0-9a-f-]{0,36}$", allow_blank=True)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        bounds = super().run_validation(data)
        inner = bounds[1:-1]
        if len(bounds) < 2 or any(not bound for bound in inner) or inner != sorted(set(inner)):
            raise serializers.ValidationError("Two bounds at least, in ascending order.")
        return bounds


class FingerprintsQuery(serializers.Serializer[Any]):
    ranges = serializers.ListField(child=Bounds(max_length=MOST_BOUNDS), required=False, max_length=MOST_BOUNDS)
    rows = serializers.ListField(child=Bounds(min_length=2, max_length=2), required=False, max_length=MOST_ROWS)
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_IDS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Ask for ranges, rows or ids.")
        if sum(len(bounds) for bounds in attrs.get("ranges", [])) > MOST_BOUNDS:
            raise serializers.ValidationError({"ranges": f"At most {MOST_BOUNDS} bounds in all."})
        return attrs


class Fingerprints(serializers.Serializer[Any]):
    fingerprints = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="For each list of bounds.",
    )
    rows = serializers.ListField(
        child=serializers.ListField(), required=False, help_text="For each range, its rows as [id, version, hash]."
    )
    records = Change(many=True, required=False)


class Registration(serializers.ModelSerializer[Consumer]):
    class Meta:
        model = Consumer
        fields = [
            "name", "queue", "types", "fields", "owners", "staleness_seconds", "token_expires_at",
            "bootstrap_open", "bootstrap_closes_at", "bootstrapped_to", "checkpoint",
        ]  # fmt: skip

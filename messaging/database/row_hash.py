"""Row hashes: equal rows have equal hashes, on either engine and on either side. Here in Python; in SQL in `expressions`.

A row's hash is that of (id, version), exclusive or that of (id, fields), 64 bits of md5 each. Two hashes instead of one, because an
authority keeps versions in its ledger and facts in its model's table: it can then hash each table in one parallel scan, without
joining them (measured on a million users: the join alone costs more than both scans).

What is hashed is text: words are parted by blanks, texts are preceded by their length, times are microseconds in hexadecimal.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models

from messaging.errors import Unhashable

NULL = "-"
#: PostgreSQL counts from here, in 64 bits.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MASK = 2**64 - 1


def kind_of_field(field: "models.Field[Any, Any]") -> str:
    """time, number, uuid or text. Raises `Unhashable`."""
    kinds: dict[str, tuple[type[models.Field[Any, Any]], ...]] = {
        "time": (models.DateTimeField,),
        "number": (models.IntegerField, models.BooleanField),
        "uuid": (models.UUIDField,),
        "text": (models.CharField, models.TextField),
    }
    kept = field.target_field if isinstance(field, models.ForeignKey) else field  # a foreign key is kept as what it refers to
    for name, types in kinds.items():
        if isinstance(kept, types):
            return name
    raise Unhashable(
        f"{field.model._meta.label}.{field.name} is a {type(field).__name__}: only texts, numbers, times and UUIDs are."
    )


def word(kind_: str, value: Any) -> str:
    """A value as it is hashed; also one that came as JSON. What is no time, though it should be one, is hashed as it is."""
    if value is None or (value == "" and kind_ != "text"):
        return NULL
    if kind_ == "time":
        return _time(value)
    if kind_ == "number":
        return str(int(value))
    return f"{len(value)}:{value}" if kind_ == "text" else str(value)


def signed_hash(*words: Any) -> int:
    """64 bits of md5, as a signed number: what both databases calculate with."""
    text = " ".join(str(word_) for word_ in words)
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], "big", signed=True)


def row_hash(key: str, version: int, words: Sequence[str]) -> int:
    """A row's hash, as the database would say it."""
    return signed_hash("v", key, version) ^ signed_hash("f", key, *words)


def moment(value: Any) -> datetime:
    """A time as Python has it, from one or from its ISO 8601; without a zone it is UTC's. Raises `ValueError`."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _time(value: Any) -> str:
    try:
        found = moment(value)
    except ValueError:
        return f"{len(value)}:{value}"
    return f"{(found - EPOCH) // timedelta(microseconds=1) & MASK:016x}"

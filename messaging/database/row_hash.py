"""Row hashes: equal rows have equal hashes in both databases, and at the authority and the consumer. `expressions` has them in SQL.

A row's hash is the XOR of two: (id, version) and (id, fields), 64 bits of md5 each. An authority keeps versions in its ledger and
facts in the model's table. With two hashes it scans each table once, in parallel, without a join (measured on a million users: the
join alone costs more than both scans).

The hashed text is words with blanks between them. Texts have their length in front; times are microseconds in hexadecimal;
decimals have no zeros at their end.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from django.db import models

from messaging.database.keys import stored_field
from messaging.errors import Unhashable

NULL = "-"
#: PostgreSQL's epoch; it stores times as 64 bits.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MASK = 2**64 - 1
#: Digits of a decimal; PostgreSQL's columns have at most as many.
MOST_DIGITS = 1000
_FLOATS, _EXACT = Context(prec=15), Context(prec=2 * MOST_DIGITS)


def kind_of_field(field: "models.Field[Any, Any]") -> str:
    """A field's kind: "time", "date", "number", "decimal", "uuid" or "text". Raises `Unhashable`."""
    kinds: dict[str, tuple[type[models.Field[Any, Any]], ...]] = {
        "time": (models.DateTimeField,),
        "date": (models.DateField,),
        "decimal": (models.DecimalField,),
        "number": (models.IntegerField, models.BooleanField),
        "uuid": (models.UUIDField,),
        "text": (models.CharField, models.TextField),
    }
    kept = stored_field(field)
    place = f"{field.model._meta.label}.{field.name}" if hasattr(field, "model") else "An expression"
    if isinstance(kept, models.DecimalField) and kept.decimal_places is None:
        raise Unhashable(f"{place} has no decimal_places. Give it output_field=DecimalField(max_digits=…, decimal_places=…).")
    for name, types in kinds.items():
        if isinstance(kept, types):
            return name
    raise Unhashable(
        f"{place} is a {type(field).__name__}. A copy can only have texts, integers, decimals, booleans, dates, datetimes and "
        "UUIDs: leave the field out."
    )


def word(kind_: str, value: Any) -> str:
    """A value as text to hash; it may come from JSON. Text that isn't a time, though it should be, is hashed as it is."""
    if value is None or (value == "" and kind_ != "text"):
        return NULL
    if kind_ == "time":
        return _time(value)
    if kind_ == "date":
        return _date(value)
    if kind_ == "number":
        return str(int(value))
    if kind_ == "decimal":
        return _trimmed(value)
    return f"{len(value)}:{value}" if kind_ == "text" else str(value)


def signed_hash(*words: Any) -> int:
    """64 bits of md5 as a signed integer, as in both databases."""
    text = " ".join(str(word_) for word_ in words)
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], "big", signed=True)


def row_hash(key: str, version: int, words: Sequence[str]) -> int:
    """A row's hash, the same as in SQL."""
    return signed_hash("v", key, version) ^ signed_hash("f", key, *words)


def moment(value: Any) -> datetime:
    """An aware time, from a time or its ISO 8601 text. UTC if it has no zone. Raises `ValueError`."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def rounded(value: Any, places: int) -> str | None:
    """A decimal as text with so many places, as in a page. SQLite stores decimals as floats, with 15 digits."""
    if value is None:
        return None
    number = _FLOATS.create_decimal_from_float(value) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return str(number)
    return f"{number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=_EXACT):f}"


def _trimmed(value: Any) -> str:
    """A decimal without zeros at its end, so that two columns with other numbers of places can hold the same value."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return f"{len(value)}:{value}"
    if not number.is_finite() or number.adjusted() > MOST_DIGITS:
        return str(number)
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _date(value: Any) -> str:
    try:
        return (date.fromisoformat(value) if isinstance(value, str) else value).isoformat()  # type: ignore[no-any-return]
    except ValueError:
        return f"{len(value)}:{value}"


def _time(value: Any) -> str:
    try:
        found = moment(value)
    except ValueError:
        return f"{len(value)}:{value}"
    return f"{(found - EPOCH) // timedelta(microseconds=1) & MASK:016x}"

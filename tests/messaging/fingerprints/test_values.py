"""Decimals and dates have one hash in both databases and in Python, whatever the number of places."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connections, models
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from messaging.consumer import Cache, Upserted
from messaging.database import row_hash
from messaging.fingerprints import fingerprints
from messaging.settings import Alias

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

COPY = Alias("billing")


class Reads(BaseModel):
    amount: Decimal
    day: date | None


class Amount(models.Model):
    """A copy with an amount and a day."""

    id = models.IntegerField(primary_key=True)
    amount = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    day = models.DateField(null=True)
    version = models.BigIntegerField()

    class Meta:
        apps = Apps()
        app_label = "billing"
        db_table = "values_amount"


CACHE = Cache(model=Amount, key="id", fields=("amount", "day"), reads=Reads, apply=lambda events, source: Upserted(frozenset(), 0))


@pytest.fixture
def rows() -> Iterator[Any]:
    with connections[COPY].schema_editor() as editor:
        editor.create_model(Amount)
    yield Amount._base_manager.using(COPY)
    with connections[COPY].schema_editor() as editor:
        editor.delete_model(Amount)


def test_a_row_is_hashed_alike_by_the_database_and_in_python(rows: Any) -> None:
    @given(
        st.none() | st.decimals(-(10**9), 10**9, places=4),
        st.none() | st.dates(),
    )
    @example(Decimal("0.0000"), date(1, 1, 1))
    @example(Decimal("-0.0000"), date(9999, 12, 31))
    @example(Decimal("-120.5000"), None)
    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(amount: Decimal | None, day: date | None) -> None:
        rows.all().delete()
        rows.create(id=1, amount=amount, day=day, version=1)
        ((_, _, text),) = fingerprints.rows_of_cache(COPY, CACHE, [["", ""]])[0]
        kept = rows.values("version", "amount", "day").get()
        assert fingerprints.hash_of(CACHE, "1", kept) == text
        as_json = {
            "version": 1,
            "amount": None if amount is None else f"{amount:f}",
            "day": day.isoformat() if day else None,
        }
        assert fingerprints.hash_of(CACHE, "1", as_json) == text

    check()


@pytest.mark.parametrize("text", ["12.5", "12.50", "12.5000000", "1.25E+1"])
def test_zeros_at_the_end_of_a_decimal_count_for_nothing(text: str) -> None:
    assert row_hash.word("decimal", text) == row_hash.word("decimal", Decimal("12.5")) == row_hash.word("decimal", 12.5) == "12.5"


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        ("decimal", "100", "100"),
        ("decimal", "-0.00", "0"),
        ("decimal", "a b", "3:a b"),
        ("decimal", "1E+999999999", "1E+999999999"),
        ("decimal", None, "-"),
        ("date", date(2026, 1, 2), "2026-01-02"),
        ("date", "2026-01-02", "2026-01-02"),
        ("date", "soon", "4:soon"),
        ("date", None, "-"),
    ],
)
def test_a_word_is_bounded_and_never_an_error(kind: str, value: Any, word: str) -> None:
    assert row_hash.word(kind, value) == word

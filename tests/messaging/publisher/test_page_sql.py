"""The JSON that the database writes equals Python's for the same rows."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic_core import from_json

from messaging.models import Ledger
from messaging.publisher import pages
from messaging.publisher.feed import declared_feed
from messaging.settings import Alias
from users.models import User

FEED: Any = declared_feed("users")
NASTY = "'\"\\ %s {} \n\t\x01 <é> 漢 🙂"


def kinds_of_users() -> None:
    """By hand, erased, written again after an erasure, deleted, both; with difficult texts and times."""
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    for number, moment in enumerate([begin, begin + timedelta(microseconds=1), begin - timedelta(days=400_000)] * 5):
        user = User(id=uuid.uuid4(), email=f"u{number}@example.org", name=NASTY, status_since=moment, created_at=moment)
        user.save(using="users")
        same = User.objects.using("users").filter(pk=user.pk)
        if number % 5 >= 1:
            same.update(status="erased", email="", name="")
        if number % 5 in (2, 4):
            same.update(status="active", suspension_reason=NASTY)
        if number % 5 >= 3:
            same.delete()


def gone(changed_at: datetime) -> dict[str, Any]:
    """What the users' feed shows of a user who is gone."""
    empty = {"email": "", "name": "", "suspension_reason": ""}
    return {**empty, "status": "erased", "status_since": changed_at, "created_at": changed_at}


def moments(values: dict[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(value) if name.endswith(("_at", "_since")) else value for name, value in values.items()}


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("fields", [FEED.names, ("status_since", "status"), ()], ids=len)
def test_every_kind_of_row_is_sent_as_in_the_feed(fields):
    kinds_of_users()
    page = pages.page(Alias("users"), FEED, since=0, until=None, limit=100, fields=fields)
    told = [from_json(text) for text in page.results]
    entries = list(Ledger.objects.using("users").filter(aggregate="users.user").order_by("position"))
    assert [item["position"] for item in told] == [entry.position for entry in entries] == list(range(1, 16))
    for item, entry in zip(told, entries, strict=True):
        row = User.objects.using("users").filter(pk=entry.aggregate_id).values(*FEED.names).first()
        values = row if row and not (entry.deleted and row["status"] != "erased") else gone(entry.changed_at)
        assert moments(item.pop("data")) == {name: value for name, value in values.items() if name in fields}
        assert datetime.fromisoformat(item.pop("time")) == entry.changed_at
        assert item == {
            "id": entry.aggregate_id,
            "version": entry.version,
            "position": entry.position,
            "deleted": entry.deleted,
            "erased": entry.erased,
            "announced": entry.announced_version >= entry.version,
        }


@pytest.mark.django_db(databases="__all__")
def test_an_unstamped_change_has_no_position():
    User(email="a@example.org").save(using="users")
    (key,) = Ledger.objects.using("users").values_list("aggregate_id", flat=True)
    (text,) = pages.records(Alias("users"), FEED, ids=[key, str(uuid.uuid4())], fields=["status"])
    assert (from_json(text)["position"], from_json(text)["data"]) == (None, {"status": "active"})

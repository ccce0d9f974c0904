"""A pulled change as an event: what it is called as the cause of others."""

from typing import Any
from uuid import uuid4

from django.utils import timezone

from messaging.events.contract import LARGEST_INTEGER
from messaging.models import Subscription
from messaging.replica import changes


def change(position: int | None, **values: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "version": 2, "position": position, "time": timezone.now(), "deleted": False, "data": {}, **values}


def names(*found: dict[str, Any], authority: str = "users") -> list[str]:
    row = Subscription(context="billing", authority=authority, state="live")
    return [event.id for event in changes.events(row, found)]  # type: ignore[arg-type]


def test_each_change_has_a_name_of_its_own_with_a_position_or_without_one() -> None:
    one, other = change(None), change(None)
    found = [change(7), change(8), one, other, {**one, "version": 3}]
    assert len({*names(*found), *names(one, authority="billing")}) == len(found) + 1
    assert names(*found) == names(*found), "A change that is read again has the same name."


def test_a_name_is_as_long_as_an_envelope_allows_whatever_the_authority_is_called() -> None:
    longest = "a" * 50
    found = [change(LARGEST_INTEGER), change(None, id="x" * 100, version=LARGEST_INTEGER)]
    assert max(map(len, names(*found, authority=longest))) <= 64

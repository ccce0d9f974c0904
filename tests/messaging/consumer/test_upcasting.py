"""Upcasters turn an older version of a type into the one that the handler knows, so both arrive during an upgrade."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from billing import handlers as billing_handlers
from billing.caches import CACHES, UserFacts, apply_users
from billing.models import CachedUser
from messaging.consumer import cache, handlers, inbox, retries
from messaging.consumer.handlers import Event, Handler
from messaging.consumer.outcome import Outcome
from messaging.database.upsert import Upserted
from messaging.models import Parked
from messaging.replica import lookup, pull
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from users.services import user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
START = datetime(2026, 11, 1, tzinfo=UTC)
V1, V2 = "users.user.suspended.v1", "users.user.suspended.v2"


class Standing(BaseModel):
    """The older version, with another name for `status`."""

    standing: Literal["active", "suspended", "erased"]
    status_since: datetime


def lifted(old: Standing) -> UserFacts:
    return UserFacts(status=old.standing, status_since=old.status_since)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, Handler]:
    """Billing's handlers, which know version 2 and upcast version 1."""
    table = {
        V1: Handler(reads=Standing, upcast=lifted, apply=billing_handlers.apply_user_changes),
        V2: Handler(reads=UserFacts, apply=billing_handlers.apply_user_changes),
    }
    monkeypatch.setattr("messaging.consumer.handlers.table", lambda context: table)
    return table


def envelope(user: uuid.UUID, wire: str, version: int, status: str) -> dict[str, Any]:
    at = (START + timedelta(minutes=version)).isoformat()
    word = "standing" if wire == V1 else "status"
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "users",
        "type": wire,
        "subject": str(user),
        "time": at,
        "data": {word: status, "status_since": at},
        "aggregateversion": version,
        "correlationid": "story",
    }


def cached(user: uuid.UUID) -> CachedUser:
    return CachedUser.objects.using("billing").get(pk=user)


def test_both_versions_arrive_in_one_message_and_the_newest_counts(table: dict[str, Handler]) -> None:
    one, two = uuid.uuid4(), uuid.uuid4()
    message = [
        envelope(one, V2, 2, "suspended"),
        envelope(one, V1, 1, "active"),
        envelope(two, V1, 2, "suspended"),
        envelope(two, V2, 1, "active"),
    ]
    assert inbox.receive("billing", message) == Outcome(applied=2, obsolete=2)
    assert [(cached(user).status, cached(user).version) for user in (one, two)] == [("suspended", 2), ("suspended", 2)]


def test_one_change_sent_in_both_versions_counts_once(table: dict[str, Handler]) -> None:
    user = uuid.uuid4()
    message = [envelope(user, V1, 3, "suspended"), envelope(user, V2, 3, "suspended")]
    assert inbox.receive("billing", message) == Outcome(applied=1, obsolete=1)
    assert cached(user).version == 3


def test_the_authority_is_asked_for_the_fields_of_both_versions(table: dict[str, Handler]) -> None:
    assert handlers.wanted("billing", "users") == ([V1, V2], ["standing", "status", "status_since"])


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        (lambda old: UserFacts.model_validate({"status": "secret", "status_since": old.status_since}), "status: Input should be"),
        (lambda old: dict[str, Any]()["secret"], "The event can't be upcast to the newest version: key error."),
    ],
)
def test_an_upcaster_that_fails_parks_its_event_alone_and_a_retry_after_its_fix_applies_it(
    table: dict[str, Handler], fails: Any, reason: str
) -> None:
    good, bad = uuid.uuid4(), uuid.uuid4()
    table[V1] = Handler(reads=Standing, upcast=fails, apply=billing_handlers.apply_user_changes)
    message = [envelope(bad, V1, 1, "suspended"), envelope(good, V2, 1, "suspended")]
    assert inbox.receive("billing", message) == Outcome(applied=1, parked=1)
    parked = Parked.objects.using("billing").get()
    assert reason in parked.reason
    assert "secret" not in parked.reason
    table[V1] = Handler(reads=Standing, upcast=lifted, apply=billing_handlers.apply_user_changes)
    tried = retries.attempt("billing", parked.pk, by="test")
    assert tried is not None
    assert tried.state == Parked.State.APPLIED
    assert cached(bad).status == "suspended"


def test_a_cache_upcasts_pages_with_the_old_names(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Renamed(BaseModel):
        state: str
        since: datetime

    taken: list[Any] = []

    def apply(events: Sequence[Event], source: str) -> Upserted:
        taken.extend((source, event.data.state) for event in events)
        return apply_users([event._replace(data=old(event.data)) for event in events], source)

    def old(new: Renamed) -> UserFacts:
        return UserFacts.model_validate({"status": new.state, "status_since": new.since})

    lifting = replace(CACHES["users"], apply=apply, upcast=lambda read: Renamed(state=read.status, since=read.status_since))
    monkeypatch.setattr(cache, "declared_caches", lambda consumer: {"users": lifting})
    user = user_register(email="ada@example.org", name="Ada")
    assert pull.catch_up(Replica.of("billing", "users")).applied == 1
    asking = AuthorityClient("users", "billing")
    user_suspend(user_id=user.pk, reason="x")
    assert lookup.refresh(Replica.of("billing", "users", client=asking), [user.pk]).applied == 1
    asking.close()
    assert taken == [("repair", "active"), ("lookup", "suspended")]
    assert cached(user.pk).status == "suspended"

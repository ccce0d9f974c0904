"""A miss asks the authority once. An unknown user is remembered for a while; no answer doesn't count as unknown."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import CachedUser
from messaging.consumer import inbox
from messaging.errors import Denied, NoCache, Unreachable
from messaging.models import Unknown
from messaging.replica import lookup, pull
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
DEAD = "http://127.0.0.1:9"


@pytest.fixture
def client(api):
    with_token = AuthorityClient("users", "billing")
    yield with_token
    with_token.close()


@pytest.fixture
def user(api):
    return user_register(email="ada@example.org", name="Ada")


def find(key, **options):
    return lookup.find("billing", "users", key, **options)


def cached(**filters):
    return CachedUser.objects.using("billing").filter(**filters)


def unknown():
    return Unknown.objects.using("billing")


def event(user_id, version=1):
    now = timezone.now().isoformat()
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "users",
        "type": "users.user.created.v1",
        "subject": str(user_id),
        "time": now,
        "data": {"status": "active", "status_since": now},
        "aggregateversion": version,
        "correlationid": "story",
    }


def test_a_miss_is_asked_once_and_kept_with_its_source(client, user):
    row = find(user.pk, client=client)
    assert (row.user_id, row.status, row.version, row.source) == (user.pk, "active", 1, "lookup")
    assert find(str(user.pk), client=client).pk == user.pk
    assert client.round_trips == 2  # the second records the mark of rows beyond the copy's checkpoint


def test_a_miss_below_the_checkpoint_costs_one_question(client, user):
    pull.catch_up(Replica.of("billing", "users"))
    cached().delete()
    find(user.pk, client=client)
    assert client.round_trips == 1


def test_cached_users_are_not_requested(client, user):
    find(user.pk, client=client)
    user_suspend(user_id=user.pk, reason="test")
    asked = client.round_trips
    assert find(user.pk, client=client).status == "active"
    assert client.round_trips == asked


def test_an_erased_user_comes_as_a_tombstone(client, user):
    user_erase(user_id=user.pk)
    assert find(user.pk, client=client).status == "erased"


def test_a_negative_answer_is_remembered_until_it_is_too_old(client):
    nobody = uuid.uuid4()
    assert find(nobody, client=client) is None
    assert find(nobody, client=client) is None
    assert client.round_trips == 1
    unknown().update(asked_at=timezone.now() - timedelta(seconds=61))
    assert find(nobody, client=client) is None
    assert client.round_trips == 2
    assert find(nobody, client=client, max_negative_age=timedelta(0)) is None
    assert client.round_trips == 3
    assert unknown().count() == 1


def test_a_user_who_registers_later_is_found_when_the_negative_answer_expires(client):
    later = uuid.uuid4()
    assert find(later, client=client) is None
    row = User(id=later, email="bob@example.org", name="Bob")
    row.save(using="users")
    assert find(later, client=client) is None
    assert find(later, client=client, max_negative_age=timedelta(0)).pk == later
    assert not unknown().exists()


def test_an_event_makes_the_negative_answer_void(client):
    later = uuid.uuid4()
    assert find(later, client=client) is None
    inbox.receive("billing", [event(later)])
    assert find(later, client=client).source == "event"
    assert client.round_trips == 1


def test_a_page_makes_the_negative_answer_void(client, user):
    unknown().create(authority="users", aggregate_id=str(user.pk), asked_at=timezone.now())
    assert find(user.pk, client=client) is None
    pull.catch_up(Replica.of("billing", "users", client=client))
    assert find(user.pk, client=client).source == "repair"


def test_an_authority_that_does_not_answer_is_raised_and_not_remembered(api, settings, user):
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}
    with pytest.raises(Unreachable, match="users doesn't answer"):
        find(user.pk)
    assert not unknown().exists()


def test_a_refusal_is_raised_and_not_remembered(api, settings, user):
    settings.MESSAGING = {**settings.MESSAGING, "API_TOKEN": lambda consumer, authority: "nonsense"}
    with pytest.raises(Denied) as refused:
        find(user.pk)
    assert refused.value.reason == "unknown_token"
    assert not unknown().exists()


@pytest.mark.parametrize("key", ["changes", "../../admin", "", "registration/", "42", None])
def test_an_invalid_id_never_becomes_a_url(client, key):
    with pytest.raises(ValueError, match="not a valid UUID|not an id"):
        find(key, client=client)
    assert client.round_trips == 0


def test_only_copies_can_miss():
    with pytest.raises(NoCache, match="users keeps no copy of shop. Its copies: billing, monolith"):
        lookup.find("users", "shop", uuid.uuid4())


def test_old_negative_answers_are_forgotten(client):
    day = timezone.now() - timedelta(days=1, minutes=1)
    unknown().bulk_create(Unknown(authority="users", aggregate_id=str(uuid.uuid4()), asked_at=day) for _ in range(150))
    recent = unknown().create(authority="users", aggregate_id=str(uuid.uuid4()), asked_at=timezone.now())
    for left in (52, 3):
        assert find(uuid.uuid4(), client=client) is None
        assert unknown().count() == left
    assert unknown().filter(pk=recent.pk).exists()


def test_an_event_that_overtakes_the_answer_stays(client, user):
    """The answer has version 1; before it is applied, version 5 has arrived."""

    class Slow(AuthorityClient):
        def record(self, aggregate_id):
            answer = super().record(aggregate_id)
            inbox.receive("billing", [event(user.pk, version=5)])
            return answer

    row = find(user.pk, client=Slow("users", "billing"))
    assert (row.version, row.source) == (5, "event")


def test_refresh_applies_newer_rows_and_returns_unknown_ids(client):
    save(demo_users(5), with_events=False)
    pull.catch_up(Replica.of("billing", "users", client=client))
    first, second, *_ = users = list(User.objects.using("users").order_by("id"))
    user_suspend(user_id=first.pk, reason="test")
    cached(pk=second.pk).delete()
    nobody = uuid.uuid4()
    asked = [*(row.pk for row in users), nobody]
    assert lookup.refresh(Replica.of("billing", "users", client=client), asked) == (2, {str(nobody)}, frozenset())
    assert set(cached(source="lookup").values_list("pk", "status")) == {(first.pk, "suspended"), (second.pk, "active")}
    assert lookup.refresh(Replica.of("billing", "users", client=client), asked) == (0, {str(nobody)}, frozenset())


def test_refresh_asks_a_thousand_at_a_time(client):
    save(demo_users(2100), with_events=False)
    ids = list(User.objects.using("users").values_list("pk", flat=True))
    assert lookup.refresh(Replica.of("billing", "users", client=client), ids).applied == 2100
    assert client.round_trips == 3
    assert cached(source="lookup").count() == 2100
    assert lookup.refresh(Replica.of("billing", "users", client=client), []) == (0, frozenset(), frozenset())
    assert client.round_trips == 3


def test_a_run_stops_asking_an_authority_that_does_not_answer(api, settings):
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}
    run = lookup.BatchLookup("billing", "users")
    asked = {uuid.uuid4()}
    assert [run.unanswered(asked) for _ in range(lookup.UNANSWERED)] == [asked] * lookup.UNANSWERED
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: api}
    assert run.unanswered(asked) == asked
    assert run.asked == 0
    (sentence,) = run.told()
    assert sentence.startswith(f"users doesn't answer at {DEAD}: ")

"""The feed over HTTP: its pages, its long poll, its bytes; and single records."""

import gc
import gzip
import json
import threading
import weakref
from collections import Counter
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.test import RequestFactory
from django.urls import resolve

from messaging.ledger import sequencer
from messaging.publisher import pages
from messaging.settings import Alias
from tests.probes import wait_for
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def users() -> list[User]:
    save(demo_users(20), with_events=False)
    return list(User.objects.using("users").order_by("id"))


def touch(*users: User) -> None:
    for user in users:
        User.objects.using("users").filter(pk=user.pk).update(name="somebody else")


ID = "0190a2f0-0000-7000-8000-000000000000"


def test_an_answer_is_gone_when_it_was_sent_and_waits_for_no_collector(users_api, users):
    asked = RequestFactory().get("/api/users/changes/?since=0", headers={"Authorization": f"Bearer {users_api.token}"})
    found = resolve("/api/users/changes/")
    gc.collect()
    gc.disable()
    try:
        answer = found.func(asked, *found.args, **found.kwargs).render()
        assert len(json.loads(answer.content)["results"]) == 20
        there = weakref.ref(answer)
        del answer
        assert there() is None
    finally:
        gc.enable()


# --- what doesn't matter


def test_unknown_parameters_are_let_through(users_api, users):
    assert users_api.changes(0, since_when="ever", format="xml", x="1&x=2")["head"] == 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "text/html"},
        {"Accept": "application/xml;q=x"},
        {"Accept": "\xff"},
        {"Accept": "a/b; q*=foo''x"},
        {"Accept-Encoding": "br;q=x, \xff"},
        {"X-Correlation-ID": "\xff" * 300},
        {"Range": "bytes=0-1"},
        {"If-None-Match": "*"},
    ],
    ids=str,
)
def test_no_header_changes_what_is_answered(users_api, users, headers):
    answer = users_api.get("changes/?since=0", **headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert len(answer.json()["results"]) == 20


# --- one record


def test_a_record_is_sent_as_in_the_feed_for_any_spelling_of_its_id(users_api, users):
    told = {item["id"]: item for item in users_api.changes(0)["results"]}
    key = str(users[3].pk)
    assert users_api.get(f"{key}/").json() == users_api.get(f"{key.upper()}/").json() == told[key]
    assert users_api.post({"ids": [key, key.upper(), ID]}).json() == {"records": [told[key]]}


def test_an_id_that_never_was_is_a_404_with_its_reason(users_api):
    answer = users_api.get(f"{ID}/")
    assert (answer.status_code, answer.json()) == (404, {"reason": "unknown_id", "detail": f"There is no users.user {ID}."})


def test_an_erased_record_is_a_tombstone(users_api, users):
    user_erase(user_id=users[0].pk)
    told = users_api.get(f"{users[0].pk}/").json()
    assert (told["deleted"], told["data"]["status"]) == (True, "erased")


# --- pages


def test_pages_tell_every_row_once_while_rows_move(users_api, users):
    moved: set[str] = set()
    told, since = [], 0
    while True:
        page = users_api.changes(since, limit=3)
        told += page["results"]
        if page["next"] == page["head"]:
            break
        since, read = page["next"], {item["id"] for item in told}
        if len(moved) < 4:  # a user that was sent moves to the end and is sent again; another one is sent only there
            again = next(user for user in users if str(user.pk) in read - moved)
            moved.add(str(again.pk))
            touch(again, *[user for user in users if str(user.pk) not in read][-1:])
    positions = [item["position"] for item in told]
    assert positions == sorted(set(positions))
    latest = {item["id"]: item for item in told}
    assert latest == {item["id"]: item for item in users_api.changes(0)["results"]}
    assert set(latest) == {str(user.pk) for user in users}
    twice = Counter(item["id"] for item in told) - Counter(list(latest))
    assert twice == Counter(moved)
    assert page["next"] == sequencer.head("users") == 28


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 20), (7, [7, 7, 6]), (10, [10, 10]), (20, [20]), (10_000, [20])])
def test_limit_is_the_size_of_a_page(users_api, users, limit, sizes):
    seen, since = [], 0
    while True:
        page = users_api.changes(since, limit=limit)
        if not page["results"]:
            break
        seen.append(len(page["results"]))
        since = page["next"]
    assert seen == sizes
    assert since == page["next"] == page["head"] == 20


def test_until_ends_the_feed_there(users_api, users):
    def told(since, until, **more):
        page = users_api.changes(since, until=until, **more)
        return [item["position"] for item in page["results"]], page["next"], page["head"]

    assert told(5, 8) == ([6, 7, 8], 8, 20)
    assert told(5, 8, limit=2) == ([6, 7], 7, 20)
    assert told(7, 8, limit=2) == ([8], 8, 20)
    assert told(18, 900) == ([19, 20], 20, 20)
    assert told(8, 8) == ([], 8, 20)
    assert told(9, 8) == ([], 9, 20)


def test_past_the_head_there_is_nothing(users_api, users):
    page = users_api.changes(2**62, limit=1)
    assert (page["results"], page["next"], page["head"]) == ([], 2**62, 20)


def test_an_empty_authority_has_an_empty_feed(users_api):
    page = users_api.changes(0)
    assert (page["results"], page["next"], page["head"]) == ([], 0, 0)


# --- long poll


@pytest.fixture
def looked(monkeypatch) -> list[bool]:
    """Record what a long poll saw at each check."""
    looks, waits = [], pages.waits

    def watched(using: Alias, since: int) -> bool:
        looks.append(waits(using, since))
        return looks[-1]

    monkeypatch.setattr(pages, "waits", watched)
    return looks


def test_a_long_poll_answers_when_a_change_comes(live_server, users_api, users, looked):
    assert users_api.changes(0)["head"] == 20
    told: list[dict[str, Any]] = []

    def ask() -> None:
        url = f"{live_server.url}/api/users/changes/?since=20&wait=30"
        with urlopen(Request(url, headers={"Authorization": f"Bearer {users_api.token}"}), timeout=60) as answer:
            told.append(json.load(answer))

    poll = threading.Thread(target=ask, daemon=True)
    poll.start()
    wait_for(lambda: False in looked, timeout=15, what="the poll's first look", seen=lambda: looked)
    assert not told
    touch(users[4])
    wait_for(lambda: told, timeout=15, what="the poll's answer, long before its 30 seconds", seen=lambda: looked)
    poll.join(15)
    assert [(item["id"], item["position"]) for item in told[0]["results"]] == [(str(users[4].pk), 21)]
    assert looked[-1]


def test_a_long_poll_without_a_change_answers_with_nothing(users_api, users, looked):
    users_api.changes(0)
    page = users_api.changes(20, wait=1)
    assert (page["results"], page["next"], page["head"]) == ([], 20, 20)
    assert len(looked) > 1
    assert not any(looked)


def test_a_long_poll_answers_at_once_if_there_are_changes(users_api, users, looked):
    assert len(users_api.changes(0, wait=30)["results"]) == 20
    assert looked == [True]


# --- bytes


def test_an_answer_is_compressed_where_that_is_asked_for(users_api, users):
    plain = users_api.get("changes/?since=0&limit=5")
    packed = users_api.get("changes/?since=0&limit=5", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain
    assert (packed["Content-Encoding"], packed["Vary"]) == ("gzip", "Accept-Encoding")
    assert len(packed.content) < len(plain.content) / 2
    assert json.loads(gzip.decompress(packed.content))["results"] == plain.json()["results"]

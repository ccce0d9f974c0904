"""An authority in the consumer's own process is asked without HTTP, address and token."""

import json
import urllib.request
from typing import Any

import pytest
from django.db import transaction

from billing.models import CachedUser
from messaging.celery import app
from messaging.consumer import handlers
from messaging.errors import Denied, Unreachable
from messaging.publisher import consumers, grants
from messaging.replica import bootstrap, compare, in_process, pull, repair
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from users.models import User
from users.seeding import demo_users, save


def here(settings: Any) -> None:
    kept = {name: value for name, value in settings.MESSAGING.items() if name not in ("API_URL", "API_TOKEN")}
    settings.MESSAGING = kept


@pytest.fixture
def registered(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib3.PoolManager.request", None)  # nothing is sent
    here(settings)
    types, fields = handlers.wanted("billing", "users") or ([], [])
    consumers.register_consumer(authority="users", name="billing", types=types, fields=fields)


def replica() -> Replica:
    return Replica.of("billing", "users")


@pytest.mark.django_db(databases="__all__")
class TestInsideATransaction:
    """The tests' own transaction is never left: no other thread and no other connection reads."""

    def test_a_copy_is_filled_compared_and_repaired(self, registered: None) -> None:
        save(demo_users(30, suspended=0.2), with_events=False)
        done = bootstrap.bootstrap(replica(), app, page_size=7)
        assert (done.state, done.verdict, done.pages) == ("live", "in_sync", 5)
        User.objects.using("users").filter(status="active").update(status="suspended")
        pull.catch_up(replica())
        assert set(CachedUser.objects.using("billing").values_list("status", flat=True)) == {"suspended"}
        CachedUser.objects.using("billing").update(status="active")
        found = compare.compare(replica())
        assert (found.verdict, found.differing) == ("drift", 30)
        assert repair.repair(replica(), found) == 30
        assert compare.compare(replica()).verdict == "in_sync"

    def test_one_record_is_looked_up(self, registered: None) -> None:
        save(demo_users(1), with_events=False)
        user = User.objects.using("users").get()
        client = AuthorityClient("users", "billing")
        record = client.record(str(user.pk))
        assert record is not None
        assert record["data"]["status"] == "active"
        assert client.record("00000000-0000-4000-8000-000000000000") is None

    def test_a_consumer_that_is_not_registered_is_told_what_to_type(self, settings: Any) -> None:
        here(settings)
        with pytest.raises(Denied, match="manage.py consumers register billing --to users") as refused:
            AuthorityClient("users", "billing").changes(0)
        assert refused.value.reason == "not_registered"

    def test_a_context_without_a_feed_says_so(self, registered: None, settings: Any) -> None:
        settings.MESSAGING = {**settings.MESSAGING, "FEEDS": {"users": None}}
        with pytest.raises(Denied, match="users has no feed") as refused:
            AuthorityClient("users", "billing").changes(0)
        assert refused.value.reason == "no_feed"

    def test_a_closed_bootstrap_is_refused_here_too(self, registered: None) -> None:
        grants.close_bootstrap(authority="users", name="billing")
        with pytest.raises(Denied) as refused:
            AuthorityClient("users", "billing").changes(0)
        assert refused.value.reason == "bootstrap_closed"


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_the_answers_are_those_of_http(api: str, settings: Any) -> None:
    save(demo_users(3), with_events=False)
    key = str(User.objects.using("users").first().pk)  # type: ignore[union-attr]
    token = settings.MESSAGING["API_TOKEN"]("billing", "users")
    questions: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "changes/?since=0&limit=2&marks=", {"since": 0, "limit": 2, "marks": ""}),
        ("GET", "registration/", {}),
        ("GET", f"{key}/", {}),
        ("GET", "00000000-0000-4000-8000-000000000000/", {}),
        ("GET", "changes/?since=0&limit=1&checkpoint=2&floor=0", {"since": 0, "limit": 1, "checkpoint": 2, "floor": 0}),
        ("POST", "fingerprints/", {"ranges": [["", "8", ""]], "rows": [["", ""]], "ids": [key]}),
    ]
    for method, path, asked in questions:
        body = json.dumps(asked).encode() if method == "POST" else b""
        head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{api}/api/users/{path}", data=body or None, headers=head)
        try:
            with urllib.request.urlopen(request) as sent:
                status, text = sent.status, sent.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        answered, raw = in_process.answer("users", "billing", path.partition("?")[0], asked)
        assert (answered, _without_time(raw)) == (status, _without_time(text)), path


def _without_time(raw: bytes) -> Any:
    found = json.loads(raw)
    found.pop("time", None)
    return found


@pytest.mark.django_db(databases="__all__")
def test_an_authority_elsewhere_needs_an_address(settings: Any) -> None:
    here(settings)
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": ["billing"]}
    with pytest.raises(Unreachable, match="The address of users isn't set. Set USERS_API_URL"), transaction.atomic("billing"):
        AuthorityClient("users", "billing").changes(0)

"""A consumer with too many requests is told when to come again, without effect on others; the project's own client obeys."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from messaging.errors import Denied, Unreachable
from messaging.http.throttling import SPAN_SECONDS
from messaging.replica import client
from messaging.replica.client import AuthorityClient
from tests.messaging.http.conftest import Api, registered

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
RATE = 0.5
IN_A_SPAN = int(RATE * SPAN_SECONDS)


@pytest.fixture
def slow(settings: Any) -> None:
    cache.clear()
    settings.MESSAGING = {**settings.MESSAGING, "API_RATE": RATE}


def until_refused(api: Api, path: str = "registration/") -> tuple[int, Any]:
    """Count the answers before the first refusal, and return it too. At most two spans' worth, because one may end meanwhile."""
    for number in range(2 * IN_A_SPAN + 1):
        answer = api.get(path)
        if answer.status_code != 200:
            return number, answer
    raise AssertionError(f"{2 * IN_A_SPAN + 1} requests were answered.")


@pytest.mark.parametrize("path", ["registration/", "changes/?since=0"])
def test_too_many_requests_are_refused_until_the_span_is_over(users_api: Api, slow: None, path: str) -> None:
    answered, refused = until_refused(users_api, path)
    assert IN_A_SPAN <= answered <= 2 * IN_A_SPAN
    assert refused.status_code == 429
    assert refused.json()["reason"] == "throttled"
    assert set(refused.json()) == {"reason", "detail"}
    assert 1 <= int(refused.headers["Retry-After"]) <= SPAN_SECONDS


def test_one_consumer_s_loop_is_nothing_to_another(users_api: Api, slow: None) -> None:
    other = Api(registered("notifications"))
    _, refused = until_refused(users_api)
    assert refused.status_code == 429
    assert other.get("registration/").status_code == 200


def test_the_same_name_at_another_authority_counts_for_itself(users_api: Api, slow: None) -> None:
    token = registered("billing", authority="billing")
    until_refused(users_api)
    assert Client().get("/api/billing/registration/", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_requests_without_a_token_use_up_no_consumers_rate(users_api: Api, slow: None) -> None:
    for _ in range(3 * IN_A_SPAN):
        assert users_api.as_("").get("registration/").status_code == 401
        assert users_api.as_("guessed").get("registration/").status_code == 401
    assert users_api.get("registration/").status_code == 200


def test_a_rate_of_0_is_no_limit(users_api: Api, settings: Any) -> None:
    settings.MESSAGING = {**settings.MESSAGING, "API_RATE": 0}
    assert {users_api.get("registration/").status_code for _ in range(3 * IN_A_SPAN)} == {200}


@pytest.fixture
def authority(settings: Any) -> Iterator[Any]:
    """A server that gives the answers of a test one after the other, and its client."""
    answers: list[tuple[int, dict[str, str], bytes]] = []
    asked: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(time.monotonic())
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda name: url, "API_TOKEN": lambda consumer, name: "t"}
    asking = AuthorityClient("users", "billing")
    asking.answers, asking.asked = answers, asked  # type: ignore[attr-defined]
    yield asking
    asking.close()
    server.shutdown()
    server.server_close()


def later(seconds: str) -> tuple[int, dict[str, str], bytes]:
    return 429, {"Retry-After": seconds}, b'{"reason": "throttled", "detail": "Later."}'


FINE: tuple[int, dict[str, str], bytes] = (200, {}, b'{"queue": "billing", "owners": []}')


def test_the_client_comes_again_when_it_may(authority: Any) -> None:
    authority.answers += [later("1"), later("1"), FINE]
    assert authority.registration() == {"queue": "billing", "owners": []}
    first, second, third = authority.asked
    assert second - first >= 1
    assert third - second >= 1
    assert authority.round_trips == 3


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "3600"}, {"Retry-After": "soon"}, {}, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}]
)
def test_an_answer_without_a_time_or_with_a_late_one_counts_as_none(authority: Any, headers: dict[str, str]) -> None:
    authority.answers.append((429, headers, b"{}"))
    with pytest.raises(Unreachable, match="too many requests"):
        authority.registration()
    assert len(authority.asked) == 1


def test_the_client_s_patience_ends(authority: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 2.0)
    authority.answers += [later("1")] * 9
    with pytest.raises(Unreachable, match="too many requests"):
        authority.registration()
    assert 1 <= len(authority.asked) <= 3


def test_a_refused_token_names_the_context_that_issues_tokens_and_not_its_feed(authority: Any) -> None:
    authority.name = "monolith_invoices"
    authority.answers.append((401, {}, b'{"reason": "unknown_token", "detail": "No."}'))
    with pytest.raises(Denied, match="Where monolith runs.* --to monolith --new-token"):
        authority.registration()


def test_another_refusal_is_none_that_passes(authority: Any) -> None:
    authority.answers.append((403, {"Retry-After": "1"}, b'{"reason": "bootstrap_closed", "detail": "No."}'))
    with pytest.raises(Denied):
        authority.registration()
    assert len(authority.asked) == 1

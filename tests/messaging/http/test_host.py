"""The API answers in a host as it does in this project, whatever the host's settings are. The host's own views are untouched."""

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User as Account
from django.db import OperationalError, connections
from django.test import Client

from config.env import ROOT
from messaging.http.parsing import LARGEST_REQUEST_BYTES
from messaging.publisher import pages
from tests.delivery.stack import VARIABLES, database_url
from tests.messaging.http.conftest import Api, registered
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

#: Sends the requests of its input; a request may set the rate or break the feed first.
ASK = """
import base64, django, json, sys
django.setup()
from django.conf import settings
from django.contrib.auth.models import User as Account
from django.db import OperationalError
from django.test import Client
from messaging.publisher import pages

def away(*args, **options):
    raise OperationalError("database is locked")

page, answers = pages.page, []
for asked in json.load(sys.stdin):
    settings.MESSAGING["API_RATE"] = asked["rate"]
    pages.page = away if asked["away"] else page
    for _ in range(3 if asked["rate"] else 1):
        answer = Client(raise_request_exception=False, SERVER_NAME="localhost").generic(
            asked["method"], asked["path"], asked["body"], asked["type"], headers=asked["headers"]
        )
        if answer.status_code == 429:
            break
    answers.append([answer.status_code, dict(answer.headers), base64.b64encode(answer.content).decode()])
print(json.dumps(answers))
"""
#: The headers that views set. Middleware adds others.
SET = ("Content-Type", "Allow", "Cache-Control", "Content-Encoding", "Retry-After", "WWW-Authenticate")
#: Their bodies change with the time.
UNSTEADY = ("/readyz", "/metrics")


def request(path: str, method: str = "GET", body: str = "", **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"type": "application/json" if body else "", "headers": {}, "rate": 0, "away": False}
    return {"method": method, "path": path, "body": body, **known, **more}


def requests(token: str, key: str) -> dict[str, dict[str, Any]]:
    """Return a request for each answer that the API knows."""
    known = {"Authorization": f"Bearer {token}", "Accept-Language": "de", "Accept": "text/html; version=9"}
    api = {
        "a page": request("changes/?since=0"),
        "a page, compressed": request("changes/?since=0", headers={"Accept-Encoding": "gzip"}),
        "the head of a page": request("changes/?since=0", method="HEAD"),
        "a record": request(f"{key}/"),
        "the registration": request("registration/"),
        "fingerprints": request("fingerprints/", "POST", json.dumps({"ids": [key], "ranges": [["", ""]], "rows": [["", ""]]})),
        "contracts": request("contracts/", headers={"Authorization": ""}),
        "a wrong query": request("changes/?since=x&limit=99999&live=2"),
        "a missing parameter": request("changes/"),
        "a repeated parameter": request("changes/?since=0&since=1"),
        "too many parameters": request("changes/?since=0&" + "&".join(f"x{number}=1" for number in range(1001))),
        "a wrong body": request("fingerprints/", "POST", json.dumps({"ids": ["x"], "ranges": [["b", "a"]]})),
        "an empty body": request("fingerprints/", "POST", "{}"),
        "no JSON": request("fingerprints/", "POST", "{"),
        "a form": request("fingerprints/", "POST", "ids=x", type="application/x-www-form-urlencoded"),
        "a large body": request("fingerprints/", "POST", " " * (LARGEST_REQUEST_BYTES + 1)),
        "an unknown id": request("0190a2f0-0000-7000-8000-000000000000/"),
        "a wrong id": request("x@example.org/"),
        "no token": request("changes/?since=0", headers={"Authorization": ""}),
        "no bearer": request("changes/?since=0", headers={"Authorization": "Basic eDp5"}),
        "an unknown token": request("registration/", headers={"Authorization": "Bearer x"}),
        "another method": request("changes/?since=0", "OPTIONS"),
        "another method of the contracts": request("contracts/", "OPTIONS"),
        "no slash": request("changes"),
        "an unknown path": request("nowhere/at/all/"),
        "a database that is away": request("changes/?since=0", away=True),
        "too many requests": request("registration/", rate=0.1),
    }
    found = {
        name: {**asked, "path": f"/api/users/{asked['path']}", "headers": {**known, **asked["headers"]}}
        for name, asked in api.items()
    }
    return {**found, **{path: request(path) for path in ("/healthz", *UNSTEADY)}}


def answers(asked: dict[str, dict[str, Any]], settings: str, host: str = "") -> dict[str, Any]:
    """Ask in a process with these settings."""
    databases = {variable: database_url(alias) for alias, variable in VARIABLES.items()}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={**os.environ, **databases, "DJANGO_SETTINGS_MODULE": settings, "HOST": host},
        input=json.dumps(list(asked.values())),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(asked, json.loads(done.stdout.splitlines()[-1]), strict=True))


def steady(name: str, answer: Any) -> Any:
    """Return status, headers and body, without the time and what depends on it."""
    status, headers, body = answer
    ours = {key: headers.get(key) for key in SET}
    if name in UNSTEADY:
        return status, ours["Content-Type"], ours["Cache-Control"]
    content = base64.b64decode(body)
    if ours["Content-Encoding"] == "gzip":
        content = gzip.decompress(content)
    text = re.sub(r'^(\{"head":\d+,"next":\d+,"time":")[^"+Z]*', r"\1", content.decode())
    if status == 429:
        ours["Retry-After"], text = "", re.sub(r"\d+ seconds?", "", text)
    return status, ours, text


@pytest.fixture
def asked() -> dict[str, dict[str, Any]]:
    save(demo_users(20, suspended=0.4), with_events=False)
    users = list(User.objects.using("users").order_by("id"))
    user_erase(user_id=users[0].pk)
    api = Api(registered("billing", owners=["team@example.org"]))
    api.changes(0)  # stamps the changes
    return requests(api.token, str(users[1].pk))


def test_a_host_s_settings_change_no_answer(asked: dict[str, dict[str, Any]]) -> None:
    ours = answers(asked, "config.settings")
    statuses = {name: answer[0] for name, answer in ours.items()}
    assert set(statuses.values()) == {200, 400, 401, 404, 405, 413, 415, 429, 503}, statuses
    for host in ("hostile", "none", "copied"):
        theirs = answers(asked, "tests.messaging.http.host.settings", host)
        for name, answer in ours.items():
            assert steady(name, theirs[name]) == steady(name, answer), f"{name}, REST_FRAMEWORK: {host}"


def test_the_host_s_own_views_stay_as_they_are(asked: dict[str, dict[str, Any]]) -> None:
    own = {
        "anonymous": request("/own/", headers={"Accept": "application/json; version=7"}),
        "another version": request("/own/", headers={"Accept": "application/json; version=9"}),
        "a form": request("/open/", "POST", "a=1", type="application/x-www-form-urlencoded"),
        "no form": request("/open/", "POST", "{}", headers={"Accept": "application/json"}),
    }
    theirs = answers(own, "tests.messaging.http.host.settings", "hostile")
    assert {name: (answer[0], base64.b64decode(answer[2])) for name, answer in theirs.items() if name != "a form"} == {
        "anonymous": (418, b'{"host": "NotAuthenticated"}'),
        "another version": (418, b'{"host": "NotAcceptable"}'),
        "no form": (418, b'{"host": "UnsupportedMediaType"}'),
    }
    assert theirs["a form"][0] == 200
    assert b"<html" in base64.b64decode(theirs["a form"][2])  # the browsable API


def test_a_copied_exception_handler_still_rolls_back_the_host_s_views(asked: dict[str, dict[str, Any]]) -> None:
    name = User.objects.using("users").first().name  # type: ignore[union-attr]
    refused = answers({"no JSON": request("/open/", "POST", "{")}, "tests.messaging.http.host.settings", "copied")
    assert refused["no JSON"][0] == 400
    assert json.loads(base64.b64decode(refused["no JSON"][2]))["reason"] == "bad_request"
    assert User.objects.using("users").first().name == name  # type: ignore[union-attr]


@pytest.fixture
def atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    for alias in connections:
        monkeypatch.setitem(connections[alias].settings_dict, "ATOMIC_REQUESTS", True)


API_PATHS = ["changes/?since=0", "registration/", "contracts/", "nowhere/at/all/"]


@pytest.mark.parametrize("path", API_PATHS)
def test_under_atomic_requests_no_other_database_is_opened(
    users_api: Api, atomic: None, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    others_are_away(monkeypatch)
    assert users_api.get(path).status_code == (404 if "nowhere" in path else 200)


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 503), ("/metrics", 503)])
def test_under_atomic_requests_probes_report_an_unreachable_database(
    atomic: None, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    others_are_away(monkeypatch)
    answer = Client(raise_request_exception=False).get(path)
    assert answer.status_code == status
    if path == "/readyz":
        assert answer.json()["databases"]["billing"] == "away"


def others_are_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every database but the authority's refuse connections."""

    def away() -> None:
        raise OperationalError("The database is unreachable.")

    for alias in set(connections) - {"users"}:
        connections[alias].close()
        monkeypatch.setattr(connections[alias], "connect", away)


def test_a_long_poll_leaves_the_host_s_database_to_its_writers(
    users_api: Api, atomic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, a transaction on `default` that began with the request would lock it."""
    locked: list[bool] = []

    def look(*args: Any) -> bool:
        locked.append(connections["default"].in_atomic_block)
        return True

    monkeypatch.setattr(pages, "waits", look)
    users_api.changes(0, wait=1)
    assert locked == [False]


@pytest.mark.django_db(databases="__all__")
def test_a_refusal_leaves_the_transaction_of_a_host_s_test_case_usable(users_api: Api, atomic: None) -> None:
    assert users_api.as_("unknown").get("registration/").status_code == 401
    assert Account.objects.count() == 0  # a marked transaction refuses every query
    assert User.objects.using("users").count() == 0

"""Who may read what: tokens, grants, fields."""

import json
import os
import re
import subprocess
import sys

import pytest
from django.utils import timezone

from config.env import ROOT
from messaging.models import Consumer
from messaging.models import Sequence as Head
from messaging.publisher import consumers, grants, tokens
from tests.messaging.http.conftest import HOUR, Api, registered
from users.models import User
from users.seeding import demo_users, save
from users.services import user_change_email, user_erase, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

# Tests that don't read the feed can roll back their transaction; the feed stamps outside of one.
rolled_back = pytest.mark.django_db(databases="__all__")

NOBODY = "0190a2f0-0000-7000-8000-000000000000"
ASKED = {
    "changes": ("GET", "changes/?since=0", None),
    "a record": ("GET", f"{NOBODY}/", None),
    "the registration": ("GET", "registration/", None),
    "fingerprints": ("POST", "fingerprints/", {"ids": [NOBODY]}),
}
ADDRESS = re.compile(rb"[^\s\"@]+@[^\s\"@]+")


@pytest.fixture
def users():
    save(demo_users(12, suspended=0.4), with_events=False)
    return list(User.objects.using("users").order_by("id"))


def ask(api: Api, what: str, **headers: str):
    method, path, body = ASKED[what]
    return api.ask(method, path, b"" if body is None else json.dumps(body).encode(), **headers)


def refused(answer) -> tuple[int, str]:
    said = answer.json()
    assert set(said) == {"reason", "detail"}
    assert said["detail"]
    return answer.status_code, said["reason"]


# --- tokens


@rolled_back
@pytest.mark.parametrize("what", ASKED)
def test_without_a_token_there_is_no_data(users_api, what):
    answer = ask(users_api.as_(""), what)
    assert refused(answer) == (401, "no_token")
    assert answer["WWW-Authenticate"] == "Bearer"


@rolled_back
@pytest.mark.parametrize("what", ASKED)
def test_an_unknown_token_is_refused(users_api, what):
    assert refused(ask(users_api.as_("never-issued"), what)) == (401, "unknown_token")


@rolled_back
@pytest.mark.parametrize("what", ASKED)
def test_an_expired_token_is_refused(users_api, what):
    Consumer.objects.using("users").update(token_expires_at=timezone.now())
    assert refused(ask(users_api, what)) == (401, "expired_token")


@rolled_back
@pytest.mark.parametrize("what", ASKED)
def test_the_token_of_another_authority_is_refused(users_api, what):
    assert refused(ask(users_api.as_(registered("billing", authority="billing")), what)) == (401, "unknown_token")


@rolled_back
@pytest.mark.parametrize("what", ASKED)
def test_a_revoked_consumer_is_refused(users_api, what):
    consumers.revoke_consumer(authority="users", name="billing")
    assert refused(ask(users_api, what)) == (401, "unknown_token")


@rolled_back
@pytest.mark.parametrize("what", ASKED)
def test_a_token_that_was_replaced_is_refused_and_the_new_one_is_not(users_api, what):
    new = tokens.issue_token(authority="users", name="billing", ttl=HOUR)
    assert refused(ask(users_api, what)) == (401, "unknown_token")
    assert ask(users_api.as_(new), what).status_code in (200, 404)


@rolled_back
@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer a b", "Basic dXNlcjpwYXNz", "bearer: x", "Bearer,x", "\xff \xfe", "Token x"], ids=repr
)
def test_a_header_that_is_no_bearer_token_is_refused(users_api, header):
    assert refused(users_api.get("registration/", Authorization=header)) == (401, "bad_header")


@rolled_back
@pytest.mark.parametrize("token", ["\xe9\xff", "a" * 5000, "../../etc/passwd", "' OR 1=1 --".replace(" ", "")], ids=ascii)
def test_no_text_is_a_token_by_accident(users_api, token):
    assert refused(users_api.as_(token).get("registration/")) == (401, "unknown_token")


def test_a_consumer_without_a_token_cannot_be_asked_for_with_an_empty_one(users_api):
    Consumer.objects.using("users").update(token_hash="")
    assert refused(users_api.get("registration/", Authorization="Bearer ")) == (401, "bad_header")


def test_a_consumer_that_is_revoked_while_it_goes_live_gets_no_500(users_api, monkeypatch):
    report = consumers.report_checkpoint

    def revoked_meanwhile(**report_of):
        consumers.revoke_consumer(authority="users", name="billing")
        return report(**report_of)

    monkeypatch.setattr(consumers, "report_checkpoint", revoked_meanwhile)
    assert refused(users_api.get("changes/?since=0&checkpoint=0&live=true")) == (401, "unknown_token")


# --- grants


def test_a_closed_grant_refuses_the_beginning_and_says_how_to_open_it(users_api, users):
    users_api.changes(12, checkpoint=12, live="true")
    answer = users_api.get("changes/?since=0")
    assert refused(answer) == (403, "bootstrap_closed")
    assert "Where users runs, open one: manage.py consumers open billing --to users --ttl 1h" in answer.json()["detail"]
    assert refused(users_api.get("changes/?since=11")) == (403, "bootstrap_closed")
    assert users_api.changes(12)["results"] == []
    grants.open_bootstrap(authority="users", name="billing", ttl=HOUR)
    assert len(users_api.changes(0)["results"]) == 12


def test_a_late_report_of_being_live_leaves_a_grant_open_that_was_opened_since(users_api, users):
    was = users_api.get("registration/").json()["grant"]
    grants.open_bootstrap(authority="users", name="billing", ttl=HOUR)
    users_api.changes(12, checkpoint=12, live="true", grant=was)
    assert len(users_api.changes(0)["results"]) == 12
    Consumer.objects.using("users").update(bootstrap_closes_at=timezone.now())
    assert users_api.changes(12)["results"] == []  # its position at going live is recorded: an unused grant removes nothing
    grants.open_bootstrap(authority="users", name="billing", ttl=HOUR)
    users_api.changes(12, checkpoint=12, live="true", grant=users_api.get("registration/").json()["grant"])
    assert refused(users_api.get("changes/?since=0")) == (403, "bootstrap_closed")


def test_a_report_of_an_earlier_release_ends_any_grant(users_api, users):
    grants.open_bootstrap(authority="users", name="billing", ttl=HOUR)
    users_api.changes(12, checkpoint=12, live="true")
    assert refused(users_api.get("changes/?since=0")) == (403, "bootstrap_closed")


def test_a_grant_ends_with_its_time(users_api, users):
    Consumer.objects.using("users").update(bootstrap_closes_at=timezone.now())
    assert refused(users_api.get("changes/?since=0")) == (403, "bootstrap_closed")


def test_a_copy_below_the_floor_must_begin_again(users_api, users):
    users_api.changes(0)
    Head.objects.using("users").update(floor=7)
    answer = users_api.get("changes/?since=6")
    assert answer.status_code == 410
    assert answer.json() == {"reason": "below_floor", "detail": answer.json()["detail"], "floor": 7}
    assert len(users_api.changes(7)["results"]) == 5
    assert len(users_api.changes(0)["results"]) == 12


def test_a_bootstrap_that_began_with_the_floor_may_continue_below_it(users_api, users):
    users_api.changes(0)
    Head.objects.using("users").update(floor=7)
    begun = users_api.changes(0, limit=2, floor=0)
    assert begun["floor"] == 7
    assert len(users_api.changes(begun["next"], floor=7)["results"]) == 10
    assert users_api.get("changes/?since=6&floor=6").status_code == 410
    assert "floor" not in users_api.changes(0)  # an older consumer gets no key that it doesn't know


def test_nobody_has_more_than_there_is(users_api, users):
    users_api.changes(0, checkpoint=2**63 - 1, live="true")
    consumer = Consumer.objects.using("users").get()
    assert (consumer.checkpoint, consumer.bootstrapped_to) == (12, 12)


# --- fields


def everything(api: Api, users: list[User]) -> dict[str, bytes]:
    """Return each endpoint's whole answer about these users."""
    ids = [str(user.pk) for user in users]
    asked = {"ids": ids, "ranges": [["", ""]], "rows": [["", ""]]}
    answers = {"changes": api.get("changes/?since=0"), "fingerprints": api.post(asked), "registration": api.get("registration/")}
    answers |= {key: api.get(f"{key}/") for key in ids}
    assert {answer.status_code for answer in answers.values()} == {200}
    refusals = {path: api.get(path) for path in ("changes/?since=x", f"{NOBODY}/", "x@example.org/", "nowhere/at/all/")}
    assert {answer.status_code for answer in refusals.values()} == {400, 404}
    return {name: answer.content for name, answer in {**answers, **refusals}.items()}


@pytest.mark.parametrize(
    "fields", [["status"], ["status", "status_since"], ["created_at"], ["suspension_reason"], ["name"]], ids=str
)
def test_no_token_sees_a_field_outside_its_list_nor_an_address(users, fields):
    registered("mailing", owners=["mailing@example.net"])
    user_change_email(user_id=users[1].pk, email="planted@example.org")
    user_suspend(user_id=users[2].pk, reason="wrote from planted@reason.example")
    user_erase(user_id=users[3].pk)
    User.objects.using("users").filter(pk=users[3].pk).update(email="ghost@example.org")  # written into a tombstone
    api = Api(registered("billing", fields=fields))
    for name, body in everything(api, users).items():
        seen = {address for address in ADDRESS.findall(body) if b"planted@reason.example" not in address}
        assert not seen, name
        assert fields == ["suspension_reason"] or b"planted@reason.example" not in body, name
    items = [*api.changes(0)["results"], *api.post({"ids": [str(user.pk) for user in users]}).json()["records"]]
    items += [api.get(f"{user.pk}/").json() for user in users]
    assert {tuple(sorted(item["data"])) for item in items} == {tuple(fields)}
    assert {"changes"} <= {name for name, body in everything(Api(registered("open")), users).items() if ADDRESS.search(body)}


def test_a_field_that_is_taken_away_is_gone_with_the_next_answer(users):
    api = Api(registered("billing", fields=["status", "email"]))
    assert all("@" in item["data"]["email"] for item in api.changes(0)["results"])
    entry = Consumer.objects.using("users").get()
    consumers.register_consumer(authority="users", name="billing", types=entry.types, fields=["status"])
    assert {tuple(item["data"]) for item in api.changes(0)["results"]} == {("status",)}


def test_a_consumer_sees_its_own_registration_and_no_secret(users_api):
    registered("mailing", owners=["mailing@example.net"])
    entry = users_api.get("registration/").json()
    assert (entry["name"], entry["fields"], entry["checkpoint"]) == ("billing", ["status", "status_since"], None)
    assert Consumer.objects.using("users").get(name="billing").token_hash not in str(entry)


# --- what a request may not be


@rolled_back
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("changes/?since=0", "GET, HEAD"),
        (f"{NOBODY}/", "GET, HEAD"),
        ("registration/", "GET, HEAD"),
        ("fingerprints/", "POST"),
    ],
)
def test_other_methods_are_refused_with_those_that_there_are(users_api, method, path, allowed):
    answer = users_api.ask(method, path)
    assert refused(answer) == (405, "method_not_allowed")
    assert answer["Allow"] == allowed


def test_head_is_get_without_the_body(users_api, users):
    got, headed = users_api.get("changes/?since=0"), users_api.ask("HEAD", "changes/?since=0")
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed["Content-Type"] == got["Content-Type"] == "application/json"
    assert users_api.as_("").ask("HEAD", "changes/?since=0").status_code == 401


@rolled_back
@pytest.mark.parametrize("path", ["changes", "nowhere/at/all/", "changes//", "fingerprints/x/", "%0a/%00"])
@rolled_back
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_elsewhere_is_a_404_in_the_same_shape(users_api, method, path):
    assert refused(users_api.as_("").ask(method, path)) == (404, "unknown_path")


IN_PRODUCTION = """
import django; django.setup()
from django.test import Client
headers = {"X-Forwarded-Proto": "https", "Authorization": "Bearer x", "Host": "localhost"}
client = Client(raise_request_exception=False, headers=headers)
for path in ("registration/", "changes/", "nowhere/at/all/"):
    answer = client.get("/api/users/" + path)
    print(answer.status_code, answer.content.decode().replace(chr(10), " "))
"""


def test_in_production_a_failure_of_our_own_tells_nothing_of_itself(tmp_path):
    """The database is empty: there is no register to look the token up in."""
    databases = {f"{name}DATABASE_URL": f"sqlite:///{tmp_path}/{name}secret.sqlite3" for name in ("", "USERS_", "BILLING_")}
    production = {"DEBUG": "0", "SECRET_KEY": "only-for-this-test-" * 4, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", IN_PRODUCTION],
        cwd=ROOT,
        env={**os.environ, **databases, **production},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answers = done.stdout.splitlines()
    assert [line.split()[0] for line in answers] == ["500", "500", "404"], done.stderr
    assert "no such table" in done.stderr  # it is logged
    for line in answers:
        assert not re.search(r"Traceback|Error:|\.py|secret|sqlite|messaging_|Bearer", line), line

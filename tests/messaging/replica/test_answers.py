"""An authority's cut, corrupt, endless or newer answers: "unreachable" with the reason, within bounds, never a traceback."""

import gzip
import itertools
import json
import threading
import tracemalloc
import uuid
import zlib
from typing import Any

import pytest

from billing.models import CachedUser
from messaging.errors import Unreachable
from messaging.models import Subscription
from messaging.replica import answers, compare, lookup, pull, repair, search
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from tests.commands.calling import call
from tests.messaging.replica.answering import Answer, bent, body, packed
from users.models import User
from users.seeding import demo_users, save

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
MIB = 1024 * 1024


@pytest.fixture
def authority(api, settings, monkeypatch):
    """The authority with five users and billing's live copy of them; from here on its answers can be changed."""
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)  # nothing is on its way
    save(demo_users(5), with_events=False)
    pull.catch_up(Replica.of("billing", "users"))
    Subscription.objects.using("billing").update(state="live")
    with bent(api) as server:
        settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: server.url}
        yield server


@pytest.fixture
def client(authority):
    asking = AuthorityClient("users", "billing")
    yield asking
    asking.close()


def state():
    return Subscription.objects.using("billing").get(authority="users").state


def inflated(size):
    """Return a gzip of so many blanks, a thousandth of their size."""
    packer = zlib.compressobj(wbits=31)
    yield from (packer.compress(b" " * MIB) for _ in range(size // MIB))
    yield packer.flush()


# Bounds


def test_an_answer_that_unpacks_to_a_gibibyte_is_left_packed(authority, client):
    raw = b"".join(inflated(1024 * MIB))
    authority.bend = lambda path, real: body(raw, "gzip")
    tracemalloc.start()
    try:
        with pytest.raises(Unreachable, match="answered with more than 32 MiB"):
            client.registration()
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()


SMALL = {
    "an error": (403, b"[%s]"),
    "a busy authority's": (503, b'{"detail": [%s]}'),
    "fingerprints": (200, b'{"fingerprints": [%s]}'),
    "rows": (200, b'{"rows": [%s]}'),
    "records": (200, b'{"records": [], "of_a_later_release": [%s]}'),
    "pages": (200, b'{"head": 5, "next": 5, "time": "2026-01-01T00:00:00Z", "results": [], "of_a_later_release": [%s]}'),
}


@pytest.mark.parametrize(("status", "template"), SMALL.values(), ids=SMALL.keys())
def test_a_small_answer_does_not_grow(authority, client, status, template):
    """Each list takes three bytes of JSON, almost none of a gzip, and a hundred of memory."""
    raw = gzip.compress(template % (b"[]," * (4 * MIB) + b"[]"))
    assert len(raw) < 64 * 1024
    authority.bend = lambda path, real: body(raw, "gzip", status)
    tracemalloc.start()
    try:
        for ask in (
            client.registration,
            lambda: client.changes(0),
            lambda: client.fingerprints([["", ""]]),
            lambda: client.rows([["", ""]]),
            lambda: client.records([SEVEN]),
        ):
            with pytest.raises(Unreachable, match="answered"):
                ask()
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()


def test_an_answer_that_tells_as_much_as_was_asked_is_read(authority, client):
    bounds = ["", *sorted(str(uuid.UUID(int=number)) for number in range(1998)), ""]
    assert len(client.fingerprints([bounds])[0]) == 1999
    authority.change("fingerprints/", fingerprints=[["x" * 32] * 1999])
    assert client.fingerprints([bounds])[0] == ["x" * 32] * 1999
    listed = [[str(uuid.UUID(int=number)), 2**62, "x" * 32] for number in range(1000)]
    authority.change("fingerprints/", rows=[listed] * 300)
    with pytest.raises(Unreachable, match="other ranges"):  # read, and found to be for one
        client.rows([["", ""]])


def test_a_body_without_an_end_is_not_read_on(authority, client):
    sent = itertools.count()
    authority.bend = lambda path, real: Answer(b" " * MIB for _ in range(256) if next(sent) < 256)
    with pytest.raises(Unreachable, match="answered with more than 32 MiB"):
        client.registration()
    assert next(sent) < 256


def test_an_answer_that_comes_byte_by_byte_is_waited_for_no_longer_than_said(authority):
    hung_up = threading.Event()
    real = json.dumps({"queue": "billing", "owners": []}).encode()
    # 200 bytes of blanks before it, one every twentieth of a second: ten seconds.
    drops = itertools.chain((b" " for _ in range(200) if not hung_up.wait(0.05)), [real])
    authority.bend = lambda path, raw: Answer(drops)
    asking = AuthorityClient("users", "billing", patience=0.3)
    with pytest.raises(Unreachable, match="its answer took longer than 0.6 s"):
        asking.registration()
    hung_up.set()
    asking.close()


@pytest.mark.parametrize("following", [-1, 0, 2**62])
def test_pages_advance_or_the_authority_counts_as_unreachable(authority, client, following):
    """A page that doesn't advance would be requested for ever; one that goes past the head would hide later changes."""
    User.objects.using("users").update(status="suspended")
    authority.bend = lambda path, raw: body(json.dumps({**json.loads(raw), "next": 5 + following}).encode())
    authority.where = "changes/"
    with pytest.raises(Unreachable, match=r"continues at \d+, but the head is 10"):
        pull.catch_up(Replica.of("billing", "users", client=client))
    assert Subscription.objects.using("billing").get(authority="users").checkpoint == 5
    assert len(authority.asked) == 1


def test_repeated_rows_end_a_comparison(authority, client):
    first = str(uuid.UUID(int=1))
    authority.bend = lambda path, raw: body(json.dumps({"rows": [[[first, 1, "x"]] * 500]}).encode())
    with pytest.raises(Unreachable, match="for other ranges than requested"):
        client.rows([["", ""]])


def test_pages_of_large_rows_come_in_smaller_ones(authority, client, monkeypatch):
    """A page of 2,000 large rows may exceed the limit of an answer, which must not stop a copy for ever."""
    User.objects.using("users").update(status="suspended")
    monkeypatch.setattr(answers, "LARGEST_ANSWER_BYTES", 600)
    assert pull.catch_up(Replica.of("billing", "users", client=client), page_size=4).checkpoint == 10
    ids = [str(key) for key in User.objects.using("users").values_list("pk", flat=True)]
    assert {record["id"] for record in client.records(ids)} == set(ids)
    monkeypatch.setattr(answers, "LARGEST_ANSWER_BYTES", 60)
    with pytest.raises(Unreachable, match="answered with more than"):
        client.changes(0, limit=4)
    with pytest.raises(Unreachable, match="answered with more than"):
        client.records(ids)


def test_a_page_that_fits_lets_the_next_one_be_larger(authority, client, monkeypatch):
    """One page of large rows must not make all later ones small."""
    User.objects.using("users").update(status="suspended")
    with monkeypatch.context() as patch:
        patch.setattr(answers, "LARGEST_ANSWER_BYTES", 600)
        assert len(client.changes(0, limit=8).results) < 4
    assert len(client.changes(0, limit=8).results) <= 4
    assert len(client.changes(0, limit=8).results) == 5


# What is broken

BROKEN = {
    "cut gzip": lambda path, raw: body(gzip.compress(raw)[:-12], "gzip"),
    "nearly nothing of a gzip": lambda path, raw: body(gzip.compress(raw)[:5], "gzip"),
    "corrupt gzip": lambda path, raw: body(gzip.compress(raw)[:10] + b"\xff" * 40, "gzip"),
    "no gzip": lambda path, raw: body(raw, "gzip"),
    "a gzip with more behind it": lambda path, raw: body(gzip.compress(raw) + b"more", "gzip"),
    "another packing": lambda path, raw: body(zlib.compress(raw), "br"),
    "cut JSON": lambda path, raw: body(raw[:-3]),
    "nothing": lambda path, raw: body(b""),
    "less than its length": lambda path, raw: Answer(iter([raw[:5]]), len(raw)),
    "HTML": lambda path, raw: body(b"<html>"),
    "no UTF-8": lambda path, raw: body(b'{"a": "\xff"}'),
    "a list": lambda path, raw: body(b"[]"),
    "null": lambda path, raw: body(b"null"),
    "a number": lambda path, raw: body(b"5"),
    "NaN": lambda path, raw: body(b"NaN"),
    "a text": lambda path, raw: body(b'"\\ud800"'),
    "another object": lambda path, raw: body(b'{"a": 1}'),
    "deep": lambda path, raw: body(b"[" * 100_000 + b"]" * 100_000),
    "null in each place": lambda path, raw: packed(json.dumps(dict.fromkeys(json.loads(raw))).encode()),
    "a list in each place": lambda path, raw: packed(json.dumps({key: [[]] for key in json.loads(raw)}).encode()),
    "moved": lambda path, raw: body(b"", status=302),
    "no answer": lambda path, raw: body(b"", status=204),
    "an error": lambda path, raw: body(b"Bad Gateway", status=502),
}
#: The commands that need an answer. Bootstrap needs all three, and requests its registration first.
NEED = {"changes/": ["catch_up"], "registration/": ["bootstrap"], "fingerprints/": ["reconcile"]}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_makes_the_authority_unreachable(authority, client, broken):
    somebody = User.objects.using("users").latest("id")
    CachedUser.objects.using("billing").filter(pk=somebody.pk).delete()
    for where in ("changes/", "registration/", "fingerprints/", f"{somebody.pk}/"):
        authority.where, authority.bend = where, broken
        for name in NEED.get(where, ()):
            ended = call(name, "billing", "--from", "users")
            assert ended.code == 3, ended
        with pytest.raises(Unreachable):
            {
                "changes/": lambda: client.changes(0),
                "registration/": client.registration,
                "fingerprints/": lambda: client.records([str(somebody.pk)]),
            }.get(where, lambda: lookup.find("billing", "users", somebody.pk, client=client))()
    authority.where = "changes/"
    SyncProcess("billing").look()
    assert state() == "unreachable"


BAD_PAGES: dict[str, dict[str, Any]] = {
    "no time": {"time": "yesterday"},
    "a time without a zone": {"time": "2026-01-01T00:00:00"},
    "a time that can't be turned into UTC": {"time": "0001-01-01T00:00:00+14:00"},
    "a head that no database holds": {"head": 2**70},
    "a head below nothing": {"head": -1},
    "a text for a head": {"head": "many"},
    "a floor that no database holds": {"floor": 2**64},
    "results that are none": {"results": [1]},
    "a mark that is none": {"mark": "\x00"},
}
SEVEN = str(uuid.UUID(int=7))
CHANGE: dict[str, Any] = {
    "id": SEVEN,
    "version": 1,
    "position": 6,
    "deleted": False,
    "time": "2026-01-01T00:00:00Z",
    "announced": True,
    "data": {"status": "active", "status_since": "2026-01-01T00:00:00Z"},
}
BAD_CHANGES: dict[str, dict[str, Any]] = {
    "no UUID": {"id": "seven"},
    "a UUID's length and none": {"id": "x" * 36},
    "NUL in the id": {"id": "\x00"},
    "an endless id": {"id": "7" * 4000},
    "a version that no database holds": {"version": 2**64},
    "a version below the first": {"version": -1},
    "a position that no database holds": {"position": 2**64},
    "a time too early": {"time": "0001-01-01T00:00:00+14:00"},
    "data that is none": {"data": None},
    "facts that are none": {"data": {"status": "active", "status_since": "9999-12-31T23:59:59-14:00"}},
    "another fact": {"data": {"status": "jolly", "status_since": "2026-01-01T00:00:00Z"}},
}
BAD = {
    **BAD_PAGES,
    **{name: {"head": 6, "next": 6, "results": [{**CHANGE, **change}]} for name, change in BAD_CHANGES.items()},
}


@pytest.mark.parametrize("values", BAD.values(), ids=BAD.keys())
def test_a_page_with_values_that_can_not_be_is_refused_whole(authority, values):
    authority.change("changes/", **values)
    assert call("catch_up", "billing", "--from", "users").code == 3
    assert Subscription.objects.using("billing").get(authority="users").checkpoint == 5
    assert not CachedUser.objects.using("billing").filter(pk=SEVEN).exists()
    Subscription.objects.using("billing").update(heartbeat_at=None)  # so that the next look pulls
    SyncProcess("billing").look()
    assert state() == "unreachable"


@pytest.mark.parametrize("data", [{"status": 5, "status_since": []}, {"status": ["a"], "status_since": "2026-01-01T00:00:00Z"}])
def test_records_of_another_kind_are_refused_in_a_comparison_and_in_a_repair(authority, data):
    row = CachedUser.objects.using("billing").latest("user_id")
    CachedUser.objects.using("billing").filter(pk=row.pk).update(status_since="2020-01-01T00:00:00Z")
    found = compare.compare(Replica.of("billing", "users"))
    assert found.counts["corrupt"] == 1

    def lie(path, raw):
        told = json.loads(raw)
        told["records"] = [{**record, "data": data} for record in told.get("records", [])]
        return body(json.dumps(told).encode())

    authority.where, authority.bend = "fingerprints/", lie
    with pytest.raises(Unreachable):
        repair.repair(Replica.of("billing", "users"), found)
    assert compare.compare(Replica.of("billing", "users")).verdict == "unreachable"


# What is newer


def added(value):
    """Return the same JSON, with one more key in each object with fixed keys."""
    if isinstance(value, dict):
        grown = {key: part if key == "data" else added(part) for key, part in value.items()}
        return {**grown, "of_a_later_release": {"any": ["thing"]}}
    return [added(part) for part in value] if isinstance(value, list) else value


def test_a_key_that_is_not_known_is_passed_over_in_every_answer(authority, client):
    """An authority of a later release may send more."""
    User.objects.using("users").update(status="suspended")
    authority.bend = lambda path, raw: body(json.dumps(added(json.loads(raw))).encode())
    SyncProcess("billing").look()
    assert call("bootstrap", "billing", "--from", "users").code == 0
    assert call("catch_up", "billing", "--from", "users").code == 0
    CachedUser.objects.using("billing").filter(pk=CachedUser.objects.using("billing").latest("user_id").pk).delete()
    assert call("reconcile", "billing", "--from", "users", "--repair", "--json").json["repaired"] == 1
    missing = CachedUser.objects.using("billing").latest("user_id").pk
    CachedUser.objects.using("billing").filter(pk=missing).delete()
    assert lookup.find("billing", "users", missing, client=client) is not None
    assert CachedUser.objects.using("billing").get(pk=missing).status == "suspended"
    assert state() == "live"


# What steers a terminal


def test_an_authoritys_texts_do_not_control_a_terminal(authority):
    said = json.dumps({"reason": "no\x1b[2Jway", "detail": "red \x1b[31m\r\n\x07\u202e\x9b2J text"}).encode()
    authority.bend = lambda path, raw: body(said, status=403)
    refused = call("catch_up", "billing", "--from", "users").err
    assert refused.isprintable()
    assert "red \\x1b[31m\\r\\n\\x07\\u202e\\x9b2J text" in refused


@pytest.mark.parametrize("value", ["\x1b[2J\x9b31m", "[/bold] [red]"])
def test_an_authoritys_texts_in_a_table_do_not_control_a_terminal(authority, value):
    row = CachedUser.objects.using("billing").latest("user_id")
    CachedUser.objects.using("billing").filter(pk=row.pk).update(status=value[:10])
    ended = call("reconcile", "billing", "--from", "users")
    assert ended.code == 1
    assert ended.out.replace("\n", "").isprintable()
    assert value[:10].isprintable() is (value[:10] in ended.out)

"""`reconcile billing --from users`: its output and its exit codes."""

from types import SimpleNamespace
from typing import Any

import pytest

from billing.models import CachedUser
from messaging.management.commands.reconcile import _sentence
from messaging.models import Consumer, Repair
from messaging.replica import drift, search
from tests.commands.calling import call
from tests.messaging.conftest import api  # noqa: F401  (a fixture)
from tests.messaging.rows import authority_has, cache_has

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

WORDS = ("reconcile", "billing", "--from", "users")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)


@pytest.fixture
def ids(api):  # noqa: F811
    """Twenty equal rows on both sides."""
    keys = authority_has(20)
    cache_has({key: (1, "active") for key in keys})
    return keys


def spoil(ids):
    """Make one row missing, one corrupt, one ahead."""
    rows = CachedUser.objects.using("billing")
    rows.filter(pk=ids[0]).delete()
    rows.filter(pk=ids[1]).update(status="suspended")
    rows.filter(pk=ids[2]).update(version=5)


def test_equal_copies_end_well(ids):
    ended = call(*WORDS, "--json")
    assert ended.code == 0
    assert ended.json["verdict"] == "in_sync"
    assert ended.json["counts"] == dict.fromkeys(drift.KINDS, 0)
    assert (ended.json["repaired"], ended.json["rows"], ended.json["round_trips"]) == (0, [], 1)
    assert 0 < ended.json["bytes"] <= 1024
    assert "The copy equals the authority. 1 round trip," in call(*WORDS).out


def test_drift_is_shown_by_kind_and_row_and_ends_with_1(ids):
    spoil(ids)
    ended = call(*WORDS, "--json")
    assert ended.code == 1
    assert ended.json["verdict"] == "drift"
    assert ended.json["counts"] == {"missing": 1, "stale": 0, "corrupt": 1, "ghost": 0, "ahead": 1, "erased_here": 0}
    assert {row["id"]: row["kind"] for row in ended.json["rows"]} == {
        str(ids[0]): "missing",
        str(ids[1]): "corrupt",
        str(ids[2]): "ahead",
    }
    assert ended.err == "3 rows differ. To repair them: manage.py reconcile billing --from users --repair"
    table = call(*WORDS).out
    assert all(str(key) in table for key in ids[:3])
    assert "the same version with other content" in table


def test_pretended_rows_say_what_would_be_done_and_change_nothing(ids):
    spoil(ids)
    before = list(CachedUser.objects.using("billing").values())
    ended = call(*WORDS, "--pretend-rows", "--json")
    assert ended.code == 1
    assert {row["kind"]: row["would"] for row in ended.json["rows"]} == {
        "missing": "add it",
        "corrupt": "replace it with the authority's row",
        "ahead": "leave it (--authority-wins replaces it)",
    }
    assert "add it" in call(*WORDS, "--pretend-rows").out
    assert list(CachedUser.objects.using("billing").values()) == before
    assert not Repair.objects.using("billing").exists()


def test_repair_leaves_what_is_ahead_and_says_so(ids):
    spoil(ids)
    ended = call(*WORDS, "--repair", "--json")
    assert (ended.code, ended.json["repaired"]) == (1, 2)
    assert "1 row still differs: it is ahead of the authority. If the authority is right: manage.py reconcile" in ended.err
    ended = call(*WORDS, "--repair", "--authority-wins", "--json")
    assert (ended.code, ended.json["repaired"]) == (0, 1)
    assert call(*WORDS).code == 0
    assert Repair.objects.using("billing").count() == 2


@pytest.mark.parametrize("how", ["stopped", "no token"])
def test_an_authority_that_does_not_answer_ends_with_3_and_a_sentence(ids, settings, how):
    if how == "stopped":
        settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    else:
        Consumer.objects.using("users").all().delete()
    ended = call(*WORDS, "--repair", "--json")
    assert ended.code == 3
    assert ended.json["verdict"] == "unreachable"
    said = {
        "stopped": "Check that users runs, and its address (MESSAGING['API_URL']).",
        "no token": "users refuses (401): users doesn't know this token: it was never issued, or was replaced or revoked. "
        "Where users runs, issue a token: manage.py consumers register billing --to users --new-token. "
        "Then store it for MESSAGING['API_TOKEN'] where billing runs.",
    }
    assert ended.err.endswith(said[how])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("reconcile", "nobody", "--from", "users"), "'nobody' is not a context of this process"),
        (("reconcile", "billing", "--from", "shop"), "billing keeps no copy of shop."),
        ((*WORDS, "--repair", "--pretend-rows"), "exclude each other. Choose one."),
        ((*WORDS, "--authority-wins"), "works only with --repair or --pretend-rows"),
    ],
)
def test_wrong_words_end_with_2(words, sentence):
    ended = call(*words)
    assert ended.code == 2
    assert sentence in ended.err


def test_rows_that_only_a_person_can_decide_about_each_get_their_advice():
    """A second `--repair` would leave both, so it isn't advised."""
    found: Any = SimpleNamespace(counts={"erased_here": 2, "ahead": 1}, consumer="billing", authority="users")
    for repair in (True, False):
        text = _sentence(found, 3, "manage.py reconcile billing --from users --repair", {"repair": repair})
        assert text.startswith(f"3 rows{' still' * repair} differ: 2 are erased here, but a backup revived them at users.")
        assert "1 is ahead of the authority. If the authority is right: " in text
        assert text.endswith("--repair --authority-wins")
        assert "Repair again" not in text

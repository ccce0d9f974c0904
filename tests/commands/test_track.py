"""`track` and `untrack`: a model's older rows enter the ledger, and leave it with everything that was made for it."""

import pytest

from messaging import failpoints
from messaging.ledger import entering, leaving, ledger
from messaging.models import Consumer, Ledger, Tracking
from tests.commands.calling import call
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
USER = ledger.TRACKED["users.user"]


@pytest.fixture
def older(monkeypatch):
    """Five users that are older than the triggers, which `migrate` has just installed."""
    monkeypatch.setattr(entering, "FIRST_ROWS", 2)
    monkeypatch.setattr(entering, "MOST_ROWS", 2)
    monkeypatch.setattr(entering, "SMALL_ROWS", 3)
    leaving.untrack("users", "users.user", USER.table)
    User.objects.using("users").bulk_create(User(email=f"u{n}@example.org", name="U") for n in range(5))
    ledger.install("users", USER)
    yield
    ledger.install("users", USER)
    entering.track("users", USER)


@pytest.fixture
def interrupted(older):
    """Like after Ctrl-C during the second batch."""
    failpoints.listeners.append(interrupt)
    try:
        return call("track", "users.user")
    finally:
        failpoints.listeners.remove(interrupt)


def interrupt(step):
    if step == "track.entered":
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["users", "users.user", "users.User"])
def test_it_enters_the_rows_of_a_feed_or_a_model(older, name):
    ended = call("track", name, "--json")
    assert (ended.code, ended.json) == (
        0,
        {"aggregate": "users.user", "database": "users", "rows": 5, "resumed": False},
    )
    assert Ledger.objects.using("users").count() == 5
    assert call("track", name).out == "Every row of users.user is in the ledger; this run entered 0 rows.\n"


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(interrupted):
    assert interrupted.code == 1
    assert interrupted.err == (
        "Stopped. users.user is still being entered in the ledger: 2 of 5 rows. Resume: manage.py track users.user"
    )
    assert call("track", "users.user").out == "Every row of users.user is in the ledger; this run entered 3 rows (resumed).\n"


def test_track_installs_a_missing_trigger(older):
    leaving.untrack("users", "users.user", USER.table)
    assert call("track", "users.user", "--database", "users", "--json").json["rows"] == 5


def test_status_shows_what_is_still_being_entered(interrupted):
    row = {"database": "users", "aggregate": "users.user", "entered": 2, "rows": 5}
    assert call("status", "--json").json["tracking"] == [row]
    assert "Rows that are still being entered" in call("status").out
    call("track", "users.user")
    assert call("status", "--json").json["tracking"] == []
    assert "still being entered" not in call("status").out


@pytest.mark.parametrize("words", ["republish users", "republish users --dry-run", "purge users", "purge users --dry-run"])
def test_a_command_that_needs_every_row_is_refused_with_the_way_out(interrupted, words):
    ended = call(*words.split())
    assert (ended.code, ended.err) == (
        3,
        "users.user is still being entered in the ledger: 2 of 5 rows. Enter the rest: manage.py track users.user",
    )


@pytest.mark.parametrize(
    "words", ["bootstrap billing --from users", "catch_up billing --from users", "reconcile billing --from users"]
)
def test_a_consumer_waits_and_learns_why(interrupted, web, words):
    call("consumers", "register", "billing", "--to", "users")
    ended = call(*words.split())
    assert ended.code == 3
    assert "users at http" in ended.err
    assert "can't answer now (503): users.user is still being entered in the ledger: 2 of 5 rows." in ended.err
    call("track", "users.user")
    assert call("bootstrap", "billing", "--from", "users", "--json").json["rows"] == 5
    assert call(*words.split()).code == 0


def test_a_restore_s_erasures_wait_too(interrupted, tmp_path):
    file = tmp_path / "erased.json"
    file.write_text('{"rows": [{"id": "00000000-0000-0000-0000-000000000001", "kind": "erased_here"}]}')
    assert "2 of 5 rows" in call("erase_again", "users", "--from", str(file)).err


def test_untrack_leaves_the_rows_and_nothing_else(older):
    call("track", "users.user")
    ended = call("untrack", "users", "--json")
    assert (ended.code, ended.json) == (0, {"aggregate": "users.user", "database": "users", "entries": 5, "in_code": True})
    assert User.objects.using("users").count() == 5
    assert not Ledger.objects.using("users").exists()
    assert not Tracking.objects.using("users").exists()
    assert call("untrack", "users.user").out.endswith(
        "The code still has a Feed or @track for users.user, so the next migrate tracks it again.\n"
    )


@pytest.mark.parametrize("entry", [{"types": ["users.user.created.v1"], "feeds": ["other"]}, {"feeds": ["users"]}, {}])
def test_untrack_is_refused_while_somebody_reads(older, entry):
    Consumer.objects.using("users").create(name="billing", **entry)
    ended = call("untrack", "users.user")
    assert (ended.code, ended.err) == (
        3,
        "billing still reads users.user. First: manage.py consumers revoke billing --from users",
    )
    call("track", "users.user")
    assert Ledger.objects.using("users").count() == 5


def test_a_model_that_the_code_has_no_more_leaves_its_entries(older):
    Ledger.objects.using("users").create(aggregate="users.old", aggregate_id="1", version=1, changed_at="2026-01-01T00:00:00Z")
    assert call("untrack", "users.old", "--json").json["entries"] == 1
    assert call("untrack", "users.old").code == 2


WRONG = [
    (("track", "billing.cacheduser"), "billing.cacheduser has no Feed and no @track. Tracked models: "),
    (("track", "nobody"), "nobody has no Feed"),
    (("track", "users.user", "--database", "nowhere"), "--database 'nowhere' is not in DATABASES. Use one of: "),
    (("untrack", "users.nobody"), "There is no model users.nobody, and the ledger of users has no entry of one."),
    (
        ("untrack", "shop.order"),
        "shop.order belongs to no context of this process. Name the database of its table: --database ALIAS",
    ),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_usage(words, sentence):
    ended = call(*words)
    assert (ended.code, sentence in ended.err) == (2, True), ended.err

"""`split`: a hand-over that is refused, can't continue or is killed leaves one owner, whose writers continue."""

import threading
from datetime import timedelta

import pytest
from django.db import connections

from messaging import failpoints
from messaging.errors import Unreachable
from messaging.models import Ownership
from messaging.ownership import ownership
from messaging.replica.client import AuthorityClient
from messaging.split import move
from monolith.models import User
from tests.commands.calling import call
from tests.commands.splits import Killed, equal_users, people
from users.models import User as Moved

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("web", "unguarded")]


def test_drift_is_exit_1_and_the_flip_is_refused_without_a_pause():
    people(4)
    call("split", "users")
    with ownership.writing_as_follower("users", "users.user"):
        Moved.objects.using("users").filter(email="u2@example.org").update(name="Tampered")
    paused: list[str] = []
    failpoints.listeners.append(paused.append)
    try:
        ended = call("split", "users", "--flip")
    finally:
        failpoints.listeners.remove(paused.append)
    assert ended.code == 1
    assert "monolith stays the owner. To see the rows: manage.py reconcile users --from monolith" in ended.err
    assert "split.paused" not in paused
    assert call("split", "users", "--json").code == 1
    assert call("split", "users", "--status", "--json").json["verdict"] == "drift"


def test_a_comparison_without_an_answer_is_no_difference(monkeypatch):
    people(2)
    call("split", "users")

    def away(*arguments):
        raise Unreachable("monolith doesn't answer.")

    monkeypatch.setattr(AuthorityClient, "fingerprints", away)
    for words in (["users"], ["users", "--flip"]):
        ended = call("split", *words)
        assert (ended.code, "can't be compared: no answer" in ended.err) == (3, True), ended
    assert call("split", "users", "--status", "--json").json["owner"] == "monolith"


def test_a_difference_that_shows_only_in_the_pause_lifts_it():
    people(4)
    call("split", "users")

    def interfere(step):
        if step == "split.loaded":
            User.objects.using("monolith").filter(email="u2@example.org").update(name="Renamed")
        elif step == "split.caught_up":
            with ownership.writing_as_follower("users", "users.user"):
                Moved.objects.using("users").filter(email="u2@example.org").update(name="Tampered")

    failpoints.listeners.append(interfere)
    try:
        ended = call("split", "users", "--flip")
    finally:
        failpoints.listeners.remove(interfere)
    assert (ended.code, "monolith stays the owner" in ended.err) == (1, True)
    assert User.objects.using("monolith").update(status="active") == 4
    assert call("split", "users", "--status", "--json").json["state"] == "settled"


def test_a_pause_that_is_too_short_changes_nothing(monkeypatch):
    people(3)
    call("split", "users")
    monkeypatch.setattr(ownership, "pause", lambda guard, longest, pause=ownership.pause: pause(guard, timedelta(seconds=-1)))
    ended = call("split", "users", "--flip")
    assert ended.code == 3
    assert "Both sides weren't equal in time" in ended.err
    assert "monolith stays the owner. Try again, or with a longer --max-pause." in ended.err
    assert User.objects.using("monolith").update(name="Goes on") == 3
    assert call("split", "users", "--status", "--json").json["owner"] == "monolith"


STEPS = ["split.guarded", "split.loaded", "split.paused", "split.caught_up", "split.taken", "split.given", "split.settled"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_call_goes_on(monkeypatch, step):
    people(6)
    reached: list[str] = []

    def kill(name):
        if name == step and not reached:
            reached.append(name)
            raise Killed

    monkeypatch.setattr(ownership, "lift", lambda guard: None)  # a dead process wouldn't lift its pause either
    failpoints.listeners.append(kill)
    try:
        with pytest.raises(Killed):
            for words in (["users"], ["users", "--flip"]):
                assert call("split", *words).code == 0
    finally:
        failpoints.listeners.remove(kill)
    monkeypatch.undo()
    for words in (["users"], ["users", "--flip"]):
        assert call("split", *words).code == 0, words
    assert call("split", "users", "--status", "--json").json["owner"] == "users"
    assert equal_users()


REFUSALS = [
    (["nobody"], 2, "is not a context"),
    (["monolith"], 2, "No split into monolith is declared"),
    (["users", "--flip"], 3, "First: manage.py split users"),
    (["users", "--back"], 3, "First: manage.py split users"),
    (["users", "--retire"], 3, "First: manage.py split users --flip"),
    (["users", "--max-pause", "soon"], 2, "is not a duration"),
    (["users", "--page-size", "0"], 2, "--page-size"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), REFUSALS, ids=[" ".join(row[0]) for row in REFUSALS])
def test_what_is_refused(words, code, sentence):
    ended = call("split", *words)
    assert (ended.code, sentence in ended.err) == (code, True), ended.err
    assert not Ownership.objects.using("monolith").exists()


def test_an_unreachable_server_is_refused_and_guards_stay(settings):
    people(2)
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    ended = call("split", "users")
    assert ended.code == 3
    assert "doesn't answer" in ended.err
    assert User.objects.using("monolith").update(name="Goes on") == 2


def test_only_one_mover_at_a_time():
    people(1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:  # in a thread, because PostgreSQL's lock belongs to its connection
        with move.one_mover(move.split_of("users")):
            held.set()
            done.wait(30)
        connections["users"].close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    ended = call("split", "users")
    done.set()
    holder.join(30)
    assert (ended.code, "Another split of users is running" in ended.err) == (3, True)


def test_commands_that_write_what_moved_away_say_so():
    people(1)
    call("split", "users")
    ended = call("seed", "--users", "3")
    assert (ended.code, "users.user belongs to monolith: write there." in ended.err) == (3, True)


def test_an_owner_is_not_overwritten_by_a_command():
    people(2)
    call("split", "users")
    call("split", "users", "--flip")
    with ownership.writing_as_follower("monolith", "monolith.user"):
        User.objects.using("monolith").update(name="Tampered")
    ended = call("catch_up", "users", "--from", "monolith")
    assert (ended.code, "there is nothing to follow" in ended.err) == (3, True)
    assert not Moved.objects.using("users").filter(name="Tampered").exists()

"""The page and the command where nothing runs: they read, and say what is missing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from config.runner import system
from messaging.replica.compare import Comparison
from walkthrough.control import concealed, processes
from walkthrough.mystery import choice, looks, order, play, state
from walkthrough.mystery.state import Answer, Mystery, Phase, Ticket
from walkthrough.script import kept
from walkthrough.script.one_player import alone
from walkthrough.script.transcript import Check

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HTMX = {"HX-Request": "true"}
SEED = 7


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kept, concealed):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(concealed, "FILE", tmp_path / "concealed.json")
    monkeypatch.setattr(concealed, "_known", (0, frozenset()))


@pytest.fixture
def opened() -> Mystery:
    mystery = Mystery(SEED, Phase.OPEN, staged=1.0, opened=1.0, ticket=Ticket("Ada <b>got</b> an invoice.", ""))
    state.write(mystery)
    state.take_stage(mystery)
    looks.begin()
    return mystery


def test_the_page_reads_before_the_first_mystery(client: Client) -> None:
    html = client.get("/mystery/").content.decode()
    assert 'id="start"' in html
    assert 'id="seed"' in html
    assert 'aria-current="page">Mystery<' in html


def test_without_a_running_system_it_says_how_to_start_one(client: Client) -> None:
    for headers in ({}, HTMX):
        response = client.post("/mystery/start/", headers=headers)
        assert response.status_code == 409
        assert "make run" in response.content.decode()
    with pytest.raises(CommandError, match="make run") as refused:
        call_command("mystery", "start")
    assert refused.value.returncode == 3


@pytest.mark.parametrize("seed", ["x", "-1", "1000000", "1.5", "²", "9" * 5000])
def test_a_seed_that_is_none_is_refused(client: Client, seed: str) -> None:
    response = client.post("/mystery/start/", {"seed": seed})
    assert response.status_code == 400
    assert "A seed is a whole number from 0 to 999999." in response.content.decode()


def test_what_a_mystery_can_t_do_is_not_found(client: Client) -> None:
    assert client.post("/mystery/dance/").status_code == 404
    assert client.get("/mystery/solve/").status_code == 405
    assert client.post("/mystery/").status_code == 405


@pytest.mark.parametrize("what", ["solve", "hint", "give-up"])
def test_without_an_open_mystery_everything_else_is_refused(client: Client, what: str) -> None:
    response = client.post(f"/mystery/{what}/")
    assert response.status_code == 409
    assert "No mystery is open." in response.content.decode()


def test_an_open_one_shows_ticket_choices_and_places_but_not_the_cause(client: Client, opened: Mystery) -> None:
    html = client.get("/mystery/").content.decode()
    assert "Ada &lt;b&gt;got&lt;/b&gt; an invoice." in html
    for name in (*(one.name for one in choice.causes_of(SEED)), *(one.name for one in choice.repairs_of(SEED))):
        assert f'value="{name}"' in html
    assert html.count('type="radio"') == 2 * choice.OFFERED
    assert " checked>" not in html
    cause = choice.cause_of(SEED)
    for text in (cause.did, *cause.hints, *(sign.text for sign in cause.signs)):
        assert text[:40] not in html


def test_an_unknown_cause_or_repair_is_refused_with_those_there_are(client: Client, opened: Mystery) -> None:
    cause, repair = choice.causes_of(SEED)[0].name, choice.repairs_of(SEED)[0].name
    for values in ({"cause": "gremlins", "repair": repair}, {"cause": cause, "repair": "hope"}, {}):
        response = client.post("/mystery/solve/", values)
        assert response.status_code == 400
        assert "This mystery offers no" in response.content.decode()
    with pytest.raises(CommandError, match=f"It offers: {cause}") as wrong:
        call_command("mystery", "solve", cause="gremlins", repair=repair)
    assert wrong.value.returncode == 2


def test_hints_come_one_by_one_and_are_counted(client: Client, opened: Mystery) -> None:
    first, second = choice.cause_of(SEED).hints
    for shown, hidden in (([first], [second]), ([first, second], []), ([first, second], [])):
        html = client.post("/mystery/hint/", follow=True).content.decode()
        assert all(text.split("'")[0] in html for text in shown)
        assert not any(text.split("'")[0] in html for text in hidden)
    found = state.look()
    assert found
    assert found.hints == 2


def test_an_answer_says_if_cause_and_repair_are_right(client: Client, opened: Mystery) -> None:
    wrong, right = next(one for one in choice.causes_of(SEED) if one is not choice.cause_of(SEED)), choice.cause_of(SEED)
    for cause, holds, title in (
        (wrong, False, "Not this"),
        (wrong, True, "In order again, but for another reason"),
        (right, False, "The cause is right, the repair isn’t"),
    ):
        checks = (Check("Every program runs", holds, "relay-users stopped"),)
        opened.answer = Answer(cause.name, choice.repairs_of(SEED)[0].name, cause is right, "Done.", checks)
        state.write(opened)
        html = client.get("/mystery/").content.decode()
        assert title in html
        assert ("If that were so" in html) == (cause is wrong)
        assert ("Does not hold:" in html) == (not holds)
        assert html.count(" checked>") == 2


def test_the_end_explains_itself(client: Client, opened: Mystery) -> None:
    cause = choice.cause_of(SEED)
    opened.answer = Answer(cause.name, cause.repairs[0], True, "Done.", (Check("Every program runs", True),))
    opened.ended, opened.looks = 85.0, 1
    opened.enter(Phase.SOLVED)
    html = client.get("/mystery/").content.decode()
    assert "Solved after 84 s and 1 look<" in html
    for text in (cause.title, "Where you could have seen it", "What repairs it"):
        assert text.replace("'", "&#x27;") in html


def test_who_waits_sees_that_and_is_told_when_it_is_over(client: Client, opened: Mystery) -> None:
    with state.working(lambda: opened, Phase.CHECKING):
        html = client.get("/mystery/").content.decode()
        assert "The repair is being carried out" in html
        assert "Reload the page" in html
        part = client.get("/mystery/now/", headers=HTMX)
        assert "HX-Retarget" not in part
        assert "s of usually" in part.content.decode()
        with pytest.raises(play.NotNow):
            play.start(SEED)
    part = client.get("/mystery/now/", headers=HTMX)  # nobody works any more
    assert part["HX-Retarget"] == "#mystery"
    assert 'id="solve"' in part.content.decode()


def test_one_whose_process_died_while_it_began_is_gone(client: Client) -> None:
    state.write(Mystery(SEED))
    assert "ended before it was ready" in client.get("/mystery/").content.decode()
    assert 'id="start"' in client.get("/mystery/").content.decode()


def test_a_restart_of_the_system_ends_it(client: Client, opened: Mystery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "supervisor_pid", lambda: opened.system + 1)
    assert "The system was started again since" in client.get("/mystery/").content.decode()


def test_the_comparison_s_verdict_is_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order.Replica, "of", lambda consumer, authority: None)
    monkeypatch.setattr(order.compare, "compare", lambda replica: Comparison(verdict="in_sync"))
    assert order._equal() == Check("The fingerprints of both sides are equal", True, "in sync")


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.CHECKING, Phase.STARTING])
def test_none_outlives_a_restart_of_the_system(opened: Mystery, phase: Phase) -> None:
    """No program may start with its fault, whether or not somebody looks at the mystery again."""
    concealed.conceal(SEED, early=phase is Phase.STARTING)
    opened.enter(phase)
    looks.begin()
    assert concealed.names()
    system.prepare()
    assert concealed.names() == frozenset()
    assert not (kept.FOLDER / looks.FILE).exists()
    assert ended(state.look())


def test_a_restart_keeps_the_answer_of_one_that_was_solved(opened: Mystery) -> None:
    opened.enter(Phase.SOLVED)
    system.prepare()
    found = state.look()
    assert found
    assert found.phase is Phase.SOLVED


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.CHECKING, Phase.STARTING])
def test_the_fault_of_one_that_is_gone_is_off(opened: Mystery, monkeypatch: pytest.MonkeyPatch, phase: Phase) -> None:
    concealed.conceal(SEED, early=False)
    assert concealed.names() == {concealed.SLOW_CLOCK}
    opened.enter(phase)
    monkeypatch.setattr(processes, "supervisor_pid", lambda: opened.system + 1)
    with alone():  # a step may be changing the system now
        assert ended(state.look())
        assert concealed.names()
    assert ended(state.look())
    assert concealed.names() == frozenset()
    monkeypatch.setattr(processes, "supervisor_pid", lambda: opened.system)
    assert not (kept.FOLDER / looks.FILE).exists()
    assert ended(state.look())  # also when that process runs again


def ended(found: Mystery | None) -> bool:
    return found is not None and found.phase is Phase.GONE and bool(found.why)


@pytest.mark.parametrize("act", [play.hint, play.give_up, lambda: play.solve(choice.cause_of(SEED).name, "set-clock")])
@pytest.mark.parametrize("phase", [Phase.SOLVED, Phase.GONE])
def test_who_acts_late_changes_nothing(
    opened: Mystery, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], phase: Phase
) -> None:
    """Another page ends the mystery after this one was asked and before it has the lock."""

    @contextmanager
    def late() -> Iterator[None]:
        with alone():
            opened.enter(phase)
            yield

    for module in (state, play):
        monkeypatch.setattr(module, "alone", late)
    monkeypatch.setattr(processes, "states", dict)
    with pytest.raises(play.NotNow):
        act()
    found = state.look()
    assert found
    assert (found.phase, found.hints, found.tries) == (phase, 0, 0)


@pytest.mark.parametrize("what", ["solve", "hint", "give-up"])
def test_while_a_repair_is_checked_everything_is_refused(client: Client, opened: Mystery, what: str) -> None:
    with state.working(lambda: opened, Phase.CHECKING):
        response = client.post(f"/mystery/{what}/", {"cause": choice.cause_of(SEED).name, "repair": "set-clock"})
    assert response.status_code == 409
    assert "or a repair is being checked" in response.content.decode()


@pytest.mark.parametrize(
    "text", ["[]", "7", '{"seed": "x"}', '{"phase": "dancing"}', '{"phase": "open", "seed": 7, "ticket": "x"}']
)
def test_a_file_of_another_shape_counts_as_none(text: str) -> None:
    (kept.FOLDER / state.FILE).write_text(text)
    assert state.look() is None


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", '{"seed": null, "early": false}', '{"seed": "x", "early": true}'])
def test_a_broken_file_of_faults_counts_as_none(text: str) -> None:
    concealed.FILE.write_text(text)
    assert concealed.names() == frozenset()


def test_only_pages_that_a_person_opens_are_looks(client: Client, opened: Mystery) -> None:
    for path in ("/lab/", "/mystery/", "/events/"):
        client.get(path)
    client.get("/lab/live/", headers=HTMX)
    client.get("/flow/?shape=home")  # the picture, of which the page's script asks for a new one each second
    client.get("/lab/nothing/")
    looks.note_command(["manage.py", "status"])
    looks.note_command(["manage.py", "mystery", "status"])
    looks.note_command(["manage.py", "relay", "users"])
    assert looks.seen() == ["/lab/", "/events/", "manage.py status"]
    assert looks.end() == 3
    client.get("/lab/")
    assert looks.seen() == []

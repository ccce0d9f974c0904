"""A step's card by real requests: it asks, runs and shows its outcome; and the bar below it leads on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from walkthrough import questions
from walkthrough.chapters import CHAPTERS, chapter
from walkthrough.questions import QUESTIONS
from walkthrough.script import kept, now, player, usual
from walkthrough.script.chapter import Chapter
from walkthrough.script.player import SETTING, Progress
from walkthrough.script.transcript import Check, Played, Said

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
CHAPTER = chapter(3)
ASKS = CHAPTER.steps[0]
assert ASKS.prediction
OPTIONS = ASKS.prediction.options
HOLDS, FAULT = Check("It is committed", True), Check("Billing hears nothing", True, fault=True)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)


def on_stage(*played: Played, of: Chapter = CHAPTER) -> None:
    """The chapter is on stage, and these steps were played after its setting."""
    player._keep(of, Progress([Played(SETTING, [HOLDS], seconds=1.0), *played]))
    kept.write(kept.FOLDER / "on-stage.json", {"chapter": of.number})


def card(client: Client, name: str, number: int = CHAPTER.number) -> str:
    html = client.get(f"/chapters/{number}/now/").content.decode()
    found = re.search(rf'<li id="step-{name}".*?</li>', html, re.DOTALL)
    assert found
    return found[0]


def bar(client: Client, number: int = CHAPTER.number) -> str:
    """The words of the bar with the next step, and where it leads."""
    found = re.search(r'<nav id="next".*?</nav>', client.get(f"/chapters/{number}/").content.decode(), re.DOTALL)
    assert found
    target = re.search(r'<a class="button" href="([^"]*)"', found[0])
    return f"{' '.join(re.sub(r'<[^>]+>', ' ', found[0]).replace('&nbsp;', ' ').split())} -> {target[1] if target else ''}"


def test_only_the_next_step_asks_and_its_button_needs_a_guess(client: Client) -> None:
    on_stage()
    html = card(client, ASKS.name)
    assert 'data-state="next"' in html
    assert escape(ASKS.prediction.question) in html  # type: ignore[union-attr]
    assert re.findall(r'name="guess" value="(\w+)" required', html) == list(OPTIONS)
    assert re.search(r'<button id="skip-commit-first"[^>]* formnovalidate', html)
    later = card(client, CHAPTER.steps[1].name)
    assert 'data-state="later"' in later
    assert 'name="guess"' not in later
    assert re.search(r'<button id="play-send-first" disabled', later)


def test_a_guess_that_is_no_option_is_refused(client: Client) -> None:
    on_stage()
    response = client.post(f"/chapters/3/play/{ASKS.name}/", {"guess": "never"})
    assert response.status_code == 409
    assert "no option “never”" in response.content.decode()
    assert player.progress(CHAPTER).of(ASKS.name) is None


@pytest.mark.parametrize(
    ("posted", "guess"), [({"guess": "twice"}, "twice"), ({"guess": "twice", "without": "guess"}, ""), ({}, "")]
)
def test_the_posted_guess_is_played_with(
    client: Client, monkeypatch: pytest.MonkeyPatch, posted: dict[str, str], guess: str
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(player, "play", lambda chapter, step, guess: heard.append(guess))
    assert client.post(f"/chapters/3/play/{ASKS.name}/", posted).headers["Location"] == f"/chapters/3/#title-{ASKS.name}"
    assert heard == [guess]


@pytest.mark.parametrize(
    ("guess", "says", "says_not"),
    [
        ("nothing", ["You said", "It was", "you were right"], ["not this time"]),
        ("twice", ["You said", "The suspension, twice", '<span class="tag plain">not this time</span>', "It was"], ["right"]),
        ("", ["It was"], ["You said", "not this time", "right"]),
    ],
)
def test_the_outcome_stands_beside_the_guess(client: Client, guess: str, says: list[str], says_not: list[str]) -> None:
    on_stage(Played(ASKS.name, [HOLDS, FAULT], seconds=2.5, guess=guess, outcome="nothing"))
    html = card(client, ASKS.name)
    assert 'data-state="played"' in html
    assert "Ran 2.5 s" in html
    assert OPTIONS["nothing"] in html
    assert [words for words in says if words not in html] == []
    assert [words for words in says_not if words in html] == []


def test_a_fault_on_purpose_is_amber_and_a_check_that_should_hold_is_red(client: Client) -> None:
    on_stage(Played(ASKS.name, [HOLDS, FAULT], outcome="nothing"))
    html = card(client, ASKS.name)
    assert '<span class="tag open">fails, as predicted</span>' in html  # the check's
    assert '<span id="tag-commit-first" class="tag open">fails, as predicted</span>' in html  # the step's
    assert '<span class="tag good">holds</span>' in html
    on_stage(Played(ASKS.name, [HOLDS, Check("Billing hears nothing", False, fault=True)], outcome="twice"))
    html = card(client, ASKS.name)
    assert '<span id="tag-commit-first" class="tag bad">1 check failed</span>' in html
    assert '<span class="tag bad">fails</span>' in html
    assert "Set the stage to run it again" in html


def test_a_fault_is_on_purpose_where_the_reader_predicted_something_else(client: Client) -> None:
    on_stage(Played(ASKS.name, [HOLDS, FAULT], guess="twice", outcome="nothing"))
    html = card(client, ASKS.name)
    assert '<span class="tag open">fails, on purpose</span>' in html  # the check's
    assert '<span id="tag-commit-first" class="tag open">fails, on purpose</span>' in html  # the step's
    assert "as predicted" not in html


def test_a_run_with_a_failed_check_answers_no_question(client: Client) -> None:
    failed = Check("The process was killed", False)
    on_stage(Played(ASKS.name, [failed, FAULT], guess="twice", outcome="twice"))
    html = card(client, ASKS.name)
    assert "You said: <b>The suspension, twice</b>. A check failed, so this run doesn't answer the question." in html
    assert "you were right" not in html
    on_stage(Played(ASKS.name, [failed, FAULT], outcome="twice"))
    assert "It was" not in card(client, ASKS.name)


def test_earlier_results_are_folded_and_the_last_one_is_not(client: Client) -> None:
    first, second = (step.name for step in CHAPTER.steps[:2])
    on_stage(Played(first, [FAULT], outcome="nothing"))
    assert "<details" not in card(client, first)
    on_stage(Played(first, [FAULT], outcome="nothing"), Played(second, [FAULT], outcome="billing"))
    assert re.search(r"<details id=[^>]*hx-preserve>\s*<summary>It was: Nothing, 1 check</summary>", card(client, first))
    assert re.search(r"<details[^>]*>\s*<summary>What it showed, 1 check</summary>", card(client, SETTING))
    assert "<details" not in card(client, second)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setattr(usual, "seconds", lambda chapter, step, last: 8.2)
    on_stage()
    played = Played(ASKS.name, [Said("It has begun.")], guess="twice", waiting="Runs `manage.py status`")
    with now.told(CHAPTER.number, played):
        yield played


def test_a_running_step_shows_its_guess_its_time_and_what_it_waits_for(client: Client, running: Played) -> None:
    html = card(client, ASKS.name)
    assert 'data-state="running"' in html
    assert "You said: <b>The suspension, twice</b>" in html
    assert "of usually 8 s" in html
    assert re.search(r'<progress data-elapsed="\d+\.\d" max="8" value="\d+"', html)
    assert re.search(r'<span data-longer="8" hidden>', html)
    assert 'role="status">Runs <code>manage.py status</code></p>' in html
    assert "It has begun." in html
    assert "<details" in card(client, SETTING)  # folded, while a later step runs


def test_past_the_usual_time_it_says_so(client: Client, running: Played) -> None:
    values = kept.read(kept.FOLDER / now.FILE)
    kept.write(kept.FOLDER / now.FILE, values | {"began": values["began"] - 30})
    html = card(client, ASKS.name)
    assert re.search(r'<span data-longer="8">longer than usual</span>', html)
    assert re.search(r'<span data-elapsed="3\d\.\d">3\d</span> s</b> of usually 8 s', html)


def test_the_bar_leads_to_the_next_step_then_to_the_next_chapter(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual, "seconds", lambda chapter, step, last: 8.2)
    assert bar(client) == "Next: Set the stage usually 8 s Next -> #title-stage"
    on_stage()
    assert bar(client) == f"Next: {ASKS.button} step 1 of {len(CHAPTER.steps)} usually 8 s Next -> #title-{ASKS.name}"
    on_stage(*(Played(step.name, [HOLDS]) for step in CHAPTER.steps))
    assert bar(client) == f"Next: chapter 4. {chapter(4).title} Next -> /chapters/4/"
    first = CHAPTERS[0]
    on_stage(*(Played(step.name, [HOLDS]) for step in first.steps), of=first)
    path = f"on the short path: chapter 3. {CHAPTER.title}"
    assert bar(client, 0) == f"Next: chapter 1. {chapter(1).title} {path} Next -> /chapters/1/"
    assert 'on the short path: <a href="/chapters/3/">' in client.get("/chapters/0/now/").content.decode()
    last = CHAPTERS[-1]
    on_stage(*(Played(step.name, [HOLDS]) for step in last.steps), of=last)
    assert bar(client, last.number).endswith("-> /lab/")


def test_while_a_step_runs_the_bar_shows_the_seconds_and_leads_nowhere(client: Client, running: Played) -> None:
    assert re.fullmatch(rf"Running: {ASKS.button} usually 8 s \d+ s -> ", bar(client))
    assert re.fullmatch(r"Running in chapter 3 \d+ s -> ", bar(client, 4))


def test_the_closing_chapter_s_answers_change_with_its_steps(client: Client) -> None:
    closing = chapter(questions.CLOSING)
    option = next(one for question in QUESTIONS for one in question.options if one.chapter == closing.number)
    on_stage(of=closing)
    assert "Chapter 12</a> not played yet" in answers(client.get("/chapters/12/"))
    on_stage(Played(option.step, [Check(option.claim, True, "25 rows")]), of=closing)
    found = answers(client.get("/chapters/12/now/"))
    assert ' hx-swap-oob="true"' in found
    assert "25 rows" in found
    assert 'id="answers"' not in client.get("/chapters/11/now/").content.decode()


def answers(response: Any) -> str:
    found = re.search(r'<section id="answers".*?</section>', response.content.decode(), re.DOTALL)
    assert found
    return found[0]

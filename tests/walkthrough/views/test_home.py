"""The home page and the list of chapters by real requests: the four questions, and the way as far as the reader has come."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import resolve
from django.utils.html import escape

from users.services import user_register
from walkthrough import questions
from walkthrough.chapters import CHAPTERS
from walkthrough.script import kept
from walkthrough.script.course import SHORT
from walkthrough.script.transcript import Check, Played

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)


def play(number: int, steps: int) -> None:
    names = ["stage", *(step.name for step in CHAPTERS[number].steps)][: steps + 1]
    played = [Played(name, [Check("holds", True)]).as_json() for name in names]
    kept.write(kept.FOLDER / f"chapter-{number:02}.json", {"played": played})
    kept.write(kept.FOLDER / "on-stage.json", {"chapter": number})


def read(client: Client, path: str = "/") -> str:
    return " ".join(client.get(path).content.decode().split())


def test_it_asks_the_four_questions_with_a_link_to_the_step_that_tries_each_option(client: Client) -> None:
    html = read(client)
    for question in questions.QUESTIONS:
        assert escape(question.title) in html
        for option in question.options:
            assert f'href="/chapters/{option.chapter}/#step-{option.step}"' in html
            assert escape(option.says) in html
            step = CHAPTERS[option.chapter].step(option.step).name
            assert f'id="step-{step}"' in read(client, f"/chapters/{option.chapter}/")
    assert html.count("Our answer: </span>") == sum(one.ours for question in questions.QUESTIONS for one in question.options)


def test_the_source_is_named_and_linked(client: Client) -> None:
    html = read(client)
    assert f'href="{questions.SOURCE}"' in html
    assert questions.SITE in html


def test_the_short_path_is_marked_and_both_buttons_begin_at_the_first_chapter(client: Client) -> None:
    html = read(client)
    assert html.count('<li class="short">') == len(SHORT)
    assert html.count('href="/chapters/0/">Start (') == 1
    assert html.count('href="/chapters/0/">All 13 chapters (') == 1
    assert "0 of 13 chapters done" in html
    assert "On stage" not in html


def test_what_was_played_is_seen(client: Client) -> None:
    play(0, len(CHAPTERS[0].steps))
    play(3, 1)
    html = read(client)
    assert 'href="/chapters/3/">Continue (' in html
    assert 'href="/chapters/1/">All 13 chapters (' in html
    assert "1 of 13 chapters done" in html
    step = CHAPTERS[3].steps[1].name
    assert f'<a href="/chapters/3/#step-{step}">On stage: chapter 3, step 2 of {len(CHAPTERS[3].steps)}</a>' in html
    assert html.count('<span class="tag good">done</span>') == 1


def test_after_the_short_path_the_first_button_leads_to_the_other_chapters(client: Client) -> None:
    for number in SHORT:
        play(number, len(CHAPTERS[number].steps))
    first, second = re.findall(r'<a class="button([^"]*)" href="([^"]*)">(.*?) \(', read(client))
    assert first == (" primary", "/chapters/1/", "All 13 chapters")
    assert second == ("", "/chapters/0/", "Short path again")
    for chapter in CHAPTERS:
        play(chapter.number, len(chapter.steps))
    first, second = re.findall(r'<a class="button([^"]*)" href="([^"]*)">(.*?) \(', read(client))
    assert first == (" primary", "/chapters/0/", "Short path again")
    assert second == ("", "/chapters/0/", "All 13 chapters")


def test_without_users_it_says_what_to_do(client: Client) -> None:
    sentence = "There are no users yet."
    assert sentence in read(client)
    user_register(email="ada@example.org", name="Ada")
    assert sentence not in read(client)


def test_the_list_of_chapters_has_each_question_and_its_minutes(client: Client) -> None:
    play(1, 2)
    html = read(client, "/chapters/")
    for chapter in CHAPTERS:
        assert f'href="/chapters/{chapter.number}/"' in html
        assert escape(chapter.question) in html
    assert html.count(" min</span>") == len(CHAPTERS)
    assert f'<span class="tag open">step 3 of {len(CHAPTERS[1].steps)}</span>' in html


def test_every_page_has_the_same_links_and_marks_where_it_is(client: Client) -> None:
    for path, words, current in (
        ("/", "Home", "page"),
        ("/chapters/", "Chapters", "page"),
        ("/chapters/3/", "Chapters", "true"),
        ("/exercises/", "Exercises", "page"),
        ("/exercises/4/", "Exercises", "true"),
        ("/mystery/", "Mystery", "page"),
        ("/side-by-side/", "Side by side", "page"),
        ("/lab/", "Lab", "page"),
        ("/events/", "Events", "page"),
    ):
        html = read(client, path)
        assert resolve(path)
        address = path if current == "page" else f"/{words.lower()}/"
        assert f'<a href="{address}" aria-current="{current}">{words}</a>' in html, path
        assert html.count("aria-current") == (1 if current == "page" else 2), path


def test_the_pager_leads_along_the_short_path_too(client: Client) -> None:
    assert '<a class="path" href="/chapters/3/">' in read(client, "/chapters/0/")
    assert 'class="path"' not in read(client, "/chapters/1/")
    assert 'class="path"' not in read(client, "/chapters/3/")  # chapter 4 is next on either


def test_the_last_chapter_has_the_questions_with_the_reader_s_figures(client: Client) -> None:
    html = read(client, "/chapters/12/")
    assert html.count("not played yet") == 16
    option = questions.SILENCE.options[1]
    check = Check(f"{option.claim} for each", True, "12 events")
    kept.write(kept.FOLDER / "chapter-07.json", {"played": [Played(option.step, [check]).as_json()]})
    html = read(client, "/chapters/12/")
    assert html.count("not played yet") == 15
    assert "12 events recorded" in html
    assert "The four questions" not in read(client, "/chapters/11/")

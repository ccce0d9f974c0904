"""A chapter's page by real requests, where nothing runs: it reads, and its buttons say what is missing."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.test import Client
from django.utils.html import escape

from tests.probes import wait_for
from walkthrough.chapters import CHAPTERS
from walkthrough.script import chapter_file, kept, now, player
from walkthrough.script.transcript import Check, Played, Said
from walkthrough.templatetags.walkthrough_texts import phrase, prose
from walkthrough.views import bar

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.slug)
def test_a_chapter_reads(client: Client, chapter) -> None:  # type: ignore[no-untyped-def]
    html = client.get(f"/chapters/{chapter.number}/").content.decode()
    assert escape(chapter.title) in html
    for step in chapter.steps:
        assert f'id="play-{step.name}"' in html
    assert f'id="play-{player.SETTING}"' in html
    assert 'src="http' not in html
    for title in (*chapter_file.SECTIONS[:5], chapter.ending, *chapter_file.SECTIONS[6:]):
        assert f">{title}</h2>" in html or f'aria-label="{title}"' in html, title
    for text in (chapter.situation, chapter.change, chapter.still_wrong, *(advice.does for advice in chapter.advice)):
        assert prose(text) in html, text
    rows = [text for row in chapter.trade_offs for text in (row.choice, row.gains, row.costs)]
    places = [advice.where for advice in chapter.advice]
    for text in (*places, *(step.says for step in chapter.steps), *rows, *(one.says for one in chapter.listings)):
        assert phrase(text) in html, text
    read = re.sub(r"<(pre|code).*?</\1>", "", html, flags=re.DOTALL)
    assert re.findall(r'\]\(|\*\*|`|\{[A-Z]|href="\.\.', read) == []


def test_an_unknown_chapter_or_step_is_404(client: Client) -> None:
    assert client.get("/chapters/99/").status_code == 404
    assert client.post("/chapters/99/play/stage/").status_code == 404
    assert client.post(f"/chapters/{CHAPTERS[0].number}/play/nothing/").status_code == 404
    assert client.get(f"/chapters/{CHAPTERS[0].number}/play/stage/").status_code == 405


def test_a_step_before_the_stage_is_set_is_refused(client: Client) -> None:
    chapter = CHAPTERS[0]
    address = f"/chapters/{chapter.number}/play/{chapter.steps[0].name}/"
    (kept.FOLDER / "on-stage.json").unlink(missing_ok=True)
    for headers in ({}, HTMX):
        response = client.post(address, headers=headers)
        assert response.status_code == 409
        assert "Set this chapter" in response.content.decode()


def test_with_htmx_the_answer_comes_at_once_and_the_steps_tell_how_it_ended(client: Client) -> None:
    chapter = CHAPTERS[0]
    address = f"/chapters/{chapter.number}/play/stage/"
    html = client.post(address, headers=HTMX).content.decode()
    assert 'hx-swap-oob="true"' in html  # the bar of the page says it too
    html = ended(client)
    assert "Stopped half-way" in html
    assert "make run" in html
    assert ">stopped half-way<" in html


def test_without_htmx_the_answer_comes_when_the_step_is_through(client: Client) -> None:
    response = client.post(f"/chapters/{CHAPTERS[0].number}/play/stage/", follow=True)
    assert response.redirect_chain == [(f"/chapters/{CHAPTERS[0].number}/#title-stage", 302)]
    assert "Stopped half-way" in response.content.decode()


def ended(client: Client) -> str:
    """The steps of the first chapter, when nothing is played any more."""
    wait_for(lambda: not (found := now.look()) or not found.running, timeout=30, what="the step to end", seen=now.look)
    return client.get(f"/chapters/{CHAPTERS[0].number}/now/").content.decode()


@pytest.fixture
def running() -> Iterator[Callable[[], None]]:
    """A step of the first chapter is being played; what is given lets it show something more."""
    step = Played(CHAPTERS[0].steps[0].name, [Said("It has begun.")])
    with now.told(CHAPTERS[0].number, step) as note:

        def more() -> None:
            step.entries.append(Said("It goes on."))
            note()

        yield more


def test_every_page_shows_the_step_that_runs_and_no_button_can_be_pressed(client: Client, running: Callable[[], None]) -> None:
    first, second = CHAPTERS[:2]
    for path in ("/", "/lab/", "/monolith/", f"/chapters/{second.number}/"):
        html = client.get(path).content.decode()
        assert f'href="/chapters/{first.number}/#step-{first.steps[0].name}"' in html, path
        assert "It has begun." in html, path
    for number in (first.number, second.number):
        buttons = re.findall(r'<button id="play-[^>]*>', client.get(f"/chapters/{number}/").content.decode())
        assert buttons
        assert all(" disabled" in button for button in buttons)
    page = client.get(f"/chapters/{first.number}/").content.decode()
    assert 'data-state="running"' in page


def test_a_page_with_older_steps_is_told_to_ask_for_them(client: Client, running: Callable[[], None]) -> None:
    def asked(html: str) -> str:
        found = re.search(r'hx-get="(/playing/[^"]*)"', html)
        assert found
        return found[1]

    page = asked(client.get(f"/chapters/{CHAPTERS[0].number}/").content.decode())
    assert "HX-Trigger" not in client.get(page).headers
    running()
    answer = client.get(page)
    assert answer.headers["HX-Trigger"] == "played"
    assert "It goes on." in answer.content.decode()
    assert asked(answer.content.decode()) == page  # and once more, until it has them
    newer = asked(client.get(f"/chapters/{CHAPTERS[0].number}/now/").content.decode())
    assert "HX-Trigger" not in client.get(newer).headers


def test_what_came_of_a_step_is_shown_for_a_while(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with now.told(CHAPTERS[0].number, Played("stage", [Check("The stage is set", True)])):
        pass
    assert '<span class="tag good">holds</span>' in client.get("/playing/").content.decode()
    monkeypatch.setattr(bar, "OUTCOME", -1)
    assert "<p>" not in client.get("/playing/").content.decode()


def test_an_interrupted_step_s_time_stands_still_and_it_is_shown_for_a_while(client: Client) -> None:
    with suppress(KeyboardInterrupt), now.told(CHAPTERS[0].number, Played("stage", [Said("It has begun.")])):
        raise KeyboardInterrupt
    assert '<aside id="bar" aria-label="The step that is played" class="interrupted"' in client.get("/playing/").content.decode()
    values = kept.read(kept.FOLDER / now.FILE)
    kept.write(kept.FOLDER / now.FILE, values | {"began": values["seen"] - 3605, "seen": values["seen"] - 3600})
    found = now.look()
    assert found
    assert (found.interrupted, found.seconds) == (True, 5)
    assert "<p>" not in client.get("/playing/").content.decode()

"""A chapter's page by real requests, where nothing runs: it reads, and its buttons say what is missing."""

import pytest
from django.test import Client
from django.utils.html import escape

from walkthrough import playing
from walkthrough.chapters import CHAPTERS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HTMX = {"HX-Request": "true"}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.slug)
def test_a_chapter_reads(client: Client, chapter) -> None:  # type: ignore[no-untyped-def]
    html = client.get(f"/chapters/{chapter.number}/").content.decode()
    assert escape(chapter.title) in html
    for step in chapter.steps:
        assert f'id="play-{step.name}"' in html
    assert f'id="play-{playing.SETTING}"' in html
    assert 'src="http' not in html


def test_an_unknown_chapter_or_step_is_404(client: Client) -> None:
    assert client.get("/chapters/99/").status_code == 404
    assert client.post("/chapters/99/play/stage/").status_code == 404
    assert client.post(f"/chapters/{CHAPTERS[0].number}/play/nothing/").status_code == 404
    assert client.get(f"/chapters/{CHAPTERS[0].number}/play/stage/").status_code == 405


def test_a_step_before_the_stage_is_set_is_refused(client: Client) -> None:
    chapter = CHAPTERS[0]
    address = f"/chapters/{chapter.number}/play/{chapter.steps[0].name}/"
    (playing.FOLDER / "on-stage.json").unlink(missing_ok=True)
    for headers in ({}, HTMX):
        response = client.post(address, headers=headers)
        assert response.status_code == 409
        assert "Set this chapter" in response.content.decode()


def test_without_a_running_system_the_stage_says_what_to_start(client: Client) -> None:
    chapter = CHAPTERS[0]
    html = client.post(f"/chapters/{chapter.number}/play/stage/", headers=HTMX).content.decode()
    assert "Stopped half-way" in html
    assert "make run" in html
    assert ">red<" in html

"""The pages of the exercises."""

import re
import shutil
from pathlib import Path

import pytest
from django.test import Client

from walkthrough.exercises import book, checker
from walkthrough.script import kept

SEVENTH = book.exercise(7)


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "FILES", tmp_path / "exercises")
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(checker, "LONGEST", 150.0)  # other tests may load the machine


def text(client: Client, address: str) -> str:
    """The page's words."""
    response = client.get(address)
    assert response.status_code == 200, address
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_list_leads_to_each_exercise_and_its_chapter(client: Client) -> None:
    html = client.get("/exercises/").content.decode()
    for one in book.EXERCISES:
        assert f'href="/exercises/{one.number}/"' in html
        assert f'href="/chapters/{one.number}/"' in html
    assert "0 of 10 done" in html


@pytest.mark.parametrize("exercise", book.EXERCISES, ids=lambda one: one.name)
def test_each_page_has_text_files_and_hints_but_no_solution(client: Client, exercise: book.Exercise) -> None:
    page = text(client, f"/exercises/{exercise.number}/")
    assert exercise.title in page
    for path in exercise.files:
        assert book.shown(exercise.mine / path) in page
        assert (exercise.mine / path).is_file()
    assert page.count("Hint ") == len(exercise.hints)
    assert "Hide the solution" not in page
    html = client.get(f"/exercises/{exercise.number}/").content.decode()
    assert html.count('<figure class="listing">') == 0
    asked = client.get(f"/exercises/{exercise.number}/?solution=1").content.decode()
    assert asked.count('<figure class="listing">') == len(exercise.files)


def test_a_check_shows_what_is_missing_and_later_that_it_is_done(client: Client) -> None:
    response = client.post("/exercises/7/check/")
    assert (response.status_code, response["Location"]) == (302, "/exercises/7/#result")
    page = text(client, "/exercises/7/")
    assert "Not yet: 3 of 9 claims hold." in page
    assert "The events were sent and purged long ago, and silent_changes finds their users." in page
    assert "Your code has changed since" not in page
    assert "3 of 9 claims hold" in text(client, "/exercises/")
    shutil.copytree(SEVENTH.solution, SEVENTH.mine, dirs_exist_ok=True)
    assert "Your code has changed since" in text(client, "/exercises/7/")
    client.post("/exercises/7/check/")
    page = text(client, "/exercises/7/")
    assert "Done: all 9 claims hold." in page
    assert "Afterwards" in page
    assert "1 of 10 done" in text(client, "/exercises/")


def test_an_error_is_on_the_page(client: Client) -> None:
    (SEVENTH.mine / "silent.py").write_text("<b>no Python</b>\n")
    client.post("/exercises/7/check/")
    html = client.get("/exercises/7/").content.decode()
    assert "silent.py, line 1: Python can&#x27;t read it" in html
    assert "<b>no Python" not in html


def test_wrong_addresses(client: Client) -> None:
    assert client.get("/exercises/11/").status_code == 404
    assert client.post("/exercises/0/check/").status_code == 404
    assert client.get("/exercises/7/check/").status_code == 405
    assert Client(enforce_csrf_checks=True).post("/exercises/7/check/").status_code == 403

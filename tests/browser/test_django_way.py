"""`manage.py migrate` and `manage.py runserver` start the same walkthrough as `make run`."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.env import ROOT
from tests import warm
from tests.browser import test_chapters, test_playing, test_refusals
from tests.browser.conftest import Pages
from tests.browser.test_playing import held as held
from tests.running import Run, end, surroundings
from walkthrough.chapters import chapter
from walkthrough.script.player import SETTING
from walkthrough.script.transcript import Result


@pytest.fixture(scope="module")
def running() -> Iterator[Run]:
    """Replaces `make run` in every test of this file."""
    with tempfile.TemporaryDirectory(prefix="django-way-", ignore_cleanup_errors=True) as folder:
        migrated = warm.run(["manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=surroundings(Path(folder)), timeout=120)
        assert migrated.returncode == 0, migrated.stderr
        run = Run(Path(folder), "manage.py", "runserver")
        try:
            run.wait_for_line("Everything runs", timeout=120)
            yield run
        finally:
            end(run)


@pytest.mark.timeout(400)
def test_a_stage_and_a_step_that_kills_a_program(page: Pages) -> None:
    """The whole chapters are played in `test_chapters`."""
    page.page.goto("/chapters/3/")
    assert test_chapters.played(page.page, SETTING) == Result.HOLDS
    assert test_chapters.walked(page.page, chapter(3).step("commit-first")) in test_chapters.AMBER


def test_a_refused_form_keeps_the_page(page: Pages) -> None:
    test_refusals.test_a_registration_with_an_address_that_is_taken_keeps_the_page_and_what_was_typed(page)


def test_a_login_in_a_second_tab_spoils_nothing(page: Pages) -> None:
    test_refusals.test_a_login_in_another_tab_doesn_t_spoil_the_buttons_of_this_one(page)


def test_a_refresh_amid_a_step_loses_nothing(page: Pages, held: Callable[[], None]) -> None:
    test_playing.test_every_tab_shows_the_step_that_runs_and_how_it_ended(page, held)

"""Every chapter is whole: in order, its listings resolve, windows open, commands exist."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import django.core.management
import pytest
from django.contrib.auth import get_user_model
from django.core.management import find_commands, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError
from django.db import connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils.autoreload import StatReloader, autoreload_started

from config.env import ROOT
from walkthrough import chapters
from walkthrough.chapters import CHAPTERS
from walkthrough.script import code_listing, player
from walkthrough.script.chapter import Chapter, Kind, Listing, Place

#: A listing is read at a glance, and on a narrow screen.
MOST_LINES, MOST_COLUMNS = 15, 90
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.slug)


def texts(chapter: Chapter) -> Iterator[str]:
    yield from (chapter.situation, chapter.change, chapter.still_wrong)
    yield from (advice.does for advice in chapter.advice)
    yield from (step.says for step in chapter.steps)
    yield from (shown.says for shown in chapter.listings)


def test_numbers_and_slugs_are_unique_and_in_order() -> None:
    numbers = [one.number for one in CHAPTERS]
    assert numbers == sorted(set(numbers))
    assert len({one.slug for one in CHAPTERS}) == len(CHAPTERS)
    assert [chapters.chapter(number) for number in numbers] == list(CHAPTERS)
    with pytest.raises(KeyError):
        chapters.chapter(99)


def test_every_folder_is_a_chapter_with_prose_and_steps() -> None:
    folders = sorted(path.parent for path in chapters.FOLDER.glob("*/steps.py"))
    assert [(int(folder.name[1:3]), folder.name[4:].replace("_", "-")) for folder in folders] == [
        (one.number, one.slug) for one in CHAPTERS
    ]
    for folder in folders:
        assert {"__init__.py", "chapter.md", "slice.md", "slice.py", "steps.py"} == {path.name for path in folder.iterdir()} - {
            "__pycache__"
        }


def test_runserver_starts_anew_when_prose_changes() -> None:
    reloader = StatReloader()
    autoreload_started.send(reloader)
    assert "**/*.md" in reloader.directory_globs[chapters.FOLDER]


@each_chapter
def test_it_says_what_it_should(chapter: Chapter) -> None:
    for text in (chapter.title, chapter.question, *texts(chapter)):
        assert text.strip(), text
    assert "\n" not in chapter.question
    assert chapter.trade_offs
    assert chapter.advice
    assert chapter.listings
    assert chapter.windows
    for row in chapter.trade_offs:
        assert all((row.choice, row.gains, row.costs)), row


@each_chapter
def test_every_step_has_a_name_of_its_own_a_button_and_a_sentence(chapter: Chapter) -> None:
    names = [step.name for step in chapter.steps]
    assert len(set(names)) == len(names)
    assert player.SETTING not in names
    for step in chapter.steps:
        assert step.button.strip()
        assert step.says.strip().endswith((".", "?", "!", "…")), step.says
        assert chapter.step(step.name) is step
    assert len({step.button for step in chapter.steps}) == len(names)
    with pytest.raises(KeyError):
        chapter.step("nothing")


@each_chapter
def test_something_breaks_in_it(chapter: Chapter) -> None:
    assert Kind.BREAK in {step.kind for step in chapter.steps}


def too_large(listing: Listing) -> str:
    """What the listing has too much of."""
    lines = code_listing.shown(listing).text.splitlines()
    widest = max(map(len, lines))
    if len(lines) <= MOST_LINES and widest <= MOST_COLUMNS:
        return ""
    return f"{listing.path} {listing.symbol}: {len(lines)} lines of at most {widest} columns."


@each_chapter
def test_every_listing_resolves_and_is_short_and_narrow(chapter: Chapter) -> None:
    assert [found for found in map(too_large, chapter.listings) if found] == []


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        (Listing("messaging/publisher/relay.py", "Relay.run_once"), "messaging/publisher/relay.py Relay.run_once: 22 lines of"),
        (Listing("messaging/publisher/relay.py", "Relay.run_once", first="self.sender.connect()", last="connect()"), "1 lines of"),
    ],
)
def test_a_listing_that_is_too_long_or_too_wide_is_found(listing: Listing, says: str) -> None:
    assert says in too_large(listing)


@pytest.mark.django_db(transaction=True, databases="__all__")
@each_chapter
def test_every_window_opens(chapter: Chapter, client: Client) -> None:
    client.force_login(get_user_model()._default_manager.create_superuser("admin", "admin@example.org", "secret"))
    for window in chapter.windows:
        assert window.title
        address = reverse(window.name) + (f"?{window.query}" if window.query else "")
        assert client.get(address).status_code == 200, address  # the admin leads elsewhere where it doesn't know a filter


def placed() -> Iterator[tuple[int, Place, str]]:
    for chapter in CHAPTERS:
        for advice in chapter.advice:
            for group in advice.commands:
                for command in group.lines:
                    yield chapter.number, group.place, command


def commands() -> Iterator[tuple[str, str]]:
    for number, _, command in placed():
        yield f"{number}: {command}", command


def works(command: str) -> Place | None:
    """Where a command of ours works; None for anybody else's."""
    name = re.search(r"manage\.py (\w+)", command)
    if re.search(r"\bCONTEXTS=", command):
        return Place.HERE
    if not name or name[1] in find_commands(django.core.management.__path__[0]):
        return None
    return Place.LIFTED if get_commands()[name[1]] == "messaging" else Place.HERE


def test_a_command_of_messaging_works_after_lifting_and_one_of_this_project_here() -> None:
    assert [(number, command) for number, place, command in placed() if works(command) not in (None, place)] == []
    assert works("manage.py status --json") is Place.LIFTED
    assert works("manage.py cutover billing") is works("CONTEXTS=users manage.py check") is Place.HERE
    assert works("manage.py sqlmigrate users 0042") is works("grep -rn atomic .") is None


SQL = re.compile(r"(SET|ALTER|SELECT) ")
STATEMENTS = [command for _, command in commands() if SQL.match(command)]


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_quoted_statement_is_one_that_postgresql_takes(statement: str) -> None:
    if connections["users"].vendor != "postgresql":
        pytest.skip("PostgreSQL's own")
    with transaction.atomic(using="users"), connections["users"].cursor() as cursor:
        cursor.execute(statement)


WORDS = [(name, command) for name, command in commands() if command not in STATEMENTS]


@pytest.mark.parametrize("command", [command for _, command in WORDS], ids=[name for name, _ in WORDS])
def test_a_quoted_command_exists_and_takes_these_words(command: str) -> None:
    if variable := re.match(r"export ([A-Z_]+)=\S+$", command):
        code = "".join(path.read_text() for path in (ROOT / "config").glob("*.py"))
        assert f'"{variable[1]}"' in code, f"Nobody reads {variable[1]}."
        return
    words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if words[0] != "manage.py":
        program = Path(sys.executable).parent / words[0]
        assert program.exists() or shutil.which(words[0]), f"There is no {words[0]}."
        return
    app = get_commands().get(words[1])
    assert app, f"There is no command {words[1]}."
    loaded = app if isinstance(app, BaseCommand) else load_command_class(app, words[1])
    try:
        loaded.create_parser("manage.py", words[1]).parse_args(words[2:])
    except CommandError as error:
        raise AssertionError(f"{command}: {error}") from None


@each_chapter
def test_no_text_names_a_path_of_this_machine(chapter: Chapter) -> None:
    for text in texts(chapter):
        assert str(ROOT) not in text

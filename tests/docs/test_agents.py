"""`AGENTS.md` is short, and what it names exists: links, paths, commands, options, make's targets and the doors' names."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests.adoption import afternoon
from tests.docs.test_docs import COMMAND, LINK, TARGET, anchors, options

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "AGENTS.md"
LARGEST = 80
DOOR = re.compile(r"^- `(messaging\.\w+)`: (.+)$", re.MULTILINE)
PATH = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)+[\w.-]*")
CODE = re.compile(r"`([^`]+)`")


def missing_links(text: str) -> list[str]:
    found = []
    for _, target in LINK.findall(text):
        path, _, anchor = target.partition("#")
        file = ROOT / path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            found.append(target)
    return found


def missing_commands(text: str) -> list[str]:
    """The commands that don't exist, and the options that their commands don't have."""
    found = []
    for command, words in COMMAND.findall(text):
        if command not in get_commands():
            found.append(command)
            continue
        known = options(load_command_class(get_commands()[command], command).create_parser("manage.py", command))
        found += [f"{command} {option}" for option in re.findall(r"--[a-z][a-z-]*", words) if option not in known]
    return found


def missing_names(text: str) -> list[str]:
    """The names that their door doesn't have."""
    return [
        f"{door}.{name}"
        for door, names in DOOR.findall(text)
        for name in CODE.findall(names)
        if name not in import_module(door).__all__
    ]


def missing_paths(text: str) -> list[str]:
    named = {path for code in CODE.findall(text) for path in PATH.findall(code)}
    return sorted(path for path in named if not (ROOT / path).exists())


def missing_targets(text: str) -> list[str]:
    return [target for target in TARGET.findall(text) if f"\n{target}:" not in (ROOT / "Makefile").read_text()]


def test_it_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= LARGEST


def test_what_it_names_exists() -> None:
    text = PAGE.read_text()
    assert len(DOOR.findall(text)) == text.partition("## Doors")[2].partition("\n## ")[0].count("\n- ")
    assert [find(text) for find in (missing_links, missing_commands, missing_names, missing_paths, missing_targets)] == [[]] * 5


@pytest.mark.parametrize(
    ("there", "planted", "find"),
    [
        ("(docs/lifting.md#your-tests)", "(docs/lifting.md#my-tests)", missing_links),
        ("(docs/glossary.md)", "(docs/words.md)", missing_links),
        ("manage.py reconcile", "manage.py reconcil", missing_commands),
        ("--write-settings", "--writes-settings", missing_commands),
        ("`upsert_newer`", "`upsert_new`", missing_names),
        ('"tests/messaging"', '"tests/messages"', missing_paths),
        ("`make check`", "`make checks`", missing_targets),
    ],
)
def test_a_planted_wrong_name_is_seen(there: str, planted: str, find: Callable[[str], list[str]]) -> None:
    text = PAGE.read_text()
    assert there in text
    assert len(find(text.replace(there, planted))) >= 1


def test_its_commands_are_those_of_the_steps() -> None:
    typed = {" ".join(words) for step in afternoon.steps() for words in step.commands}
    part = PAGE.read_text().partition("## Put")[2].partition("What you may rely on")[0].replace("\n   ", " ")
    named = {words for words in re.findall(r"`manage\.py ([^`]+)`", part)}
    assert len(named) == 10
    assert named <= typed

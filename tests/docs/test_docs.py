"""What README, CHANGELOG and `docs/` name exists: files, anchors, tests, commands, options, make targets, variables."""

import argparse
import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README, CHANGELOG = ROOT / "README.md", ROOT / "CHANGELOG.md"
PAGES = [README, CHANGELOG, *sorted(DOCS.rglob("*.md"))]
#: Pages for readers. A decision opens with its context.
TITLED = [page for page in PAGES[2:] if not re.match(r"\d{4}-", page.name)]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)([^\n`|#]*)")
TARGET = re.compile(r"(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z]+)", re.MULTILINE)
LISTING = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
EMPHASIS = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)")
LARGEST_README = 150

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def section(page, title):
    """A page's text below a heading, up to the next one of its level."""
    _, heading, rest = page.read_text().partition(f"\n{title}\n")
    assert heading, f"{page.name} has no heading {title!r}."
    level = title.split()[0]
    return re.split(rf"^{level} ", rest, flags=re.MULTILINE)[0]


@cache
def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", LISTING.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def quoted_tests(text):
    return [(name.strip("`"), target) for name, target in LINK.findall(text) if name.startswith("`test_")]


@each_page
def test_every_relative_link_leads_somewhere(page):
    dead = []
    for _, target in LINK.findall(page.read_text()):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if "://" not in target and (not file.exists() or (anchor and anchor not in anchors(file))):
            dead.append(target)
    assert not dead


def test_no_page_names_an_absolute_path_of_this_machine():
    assert [page.name for page in PAGES if str(ROOT) in page.read_text()] == []


def test_the_readme_is_short():
    lines = len(README.read_text().splitlines())
    assert lines <= LARGEST_README, f"README.md has {lines} lines. Move something into docs/."


@pytest.mark.parametrize("page", TITLED, ids=lambda page: page.name)
def test_a_page_opens_with_its_readers_and_what_they_can_do_afterwards(page):
    title, opening, *_ = page.read_text().split("\n\n")
    assert title.startswith("# ")
    assert re.match(r"For .+?\. Afterwards ", opening.replace("\n", " ")), f"{page.name} opens with: {opening}"


def test_every_page_is_in_the_index():
    listed = {target for _, target in LINK.findall((DOCS / "index.md").read_text())}
    assert {page.relative_to(DOCS).as_posix() for page in TITLED} - listed == {"index.md"}


def test_every_decision_is_listed():
    decisions = DOCS / "decisions"
    listed = {target for _, target in LINK.findall((decisions / "README.md").read_text())}
    assert {page.name for page in decisions.glob("[0-9]*.md")} <= listed


def test_every_word_that_the_readme_stresses_is_in_the_glossary():
    rows = re.findall(r"^\| ([^|]+) \|", section(DOCS / "glossary.md", "## Words"), re.MULTILINE)
    words = {word for row in rows for word in row.split(", ")}
    stressed = set(EMPHASIS.findall(LISTING.sub("", README.read_text())))
    assert len(stressed) > 10
    assert {word for word in stressed if word not in words and word.removesuffix("s") not in words} == set()


def test_the_glossary_is_alphabetical():
    words = re.findall(r"^\| ([^|]+) \|", section(DOCS / "glossary.md", "## Words"), re.MULTILINE)[1:]
    assert words == sorted(words, key=str.lower)


def test_the_readmes_figures_are_those_of_the_benchmarks():
    figures = re.findall(r"\d[\d,]*", section(README, "## One benchmark").splitlines()[-2])
    row = next(line for line in (DOCS / "benchmarks.md").read_text().splitlines() if line.startswith("| events a second |"))
    assert len(figures) == 4
    assert [figure for figure in figures if not re.search(rf"(?<![\d,]){figure} \(", row)] == [], row


def test_every_guarantee_names_tests():
    guarantees = section(DOCS / "guarantees.md", "## Guaranteed").split("\n### ")[1:]
    assert len(guarantees) > 13
    assert [text.splitlines()[0] for text in guarantees if not quoted_tests(text)] == []


@each_page
def test_every_linked_test_exists(page):
    quoted = quoted_tests(page.read_text())
    files = [(name, target) for name, target in quoted if target.endswith(".py") and name != Path(target).stem]
    assert [(name, target) for name, target in files if f"def {name}(" not in (page.parent / target).read_text()] == []


def test_every_quoted_test_exists():
    everything = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for page in PAGES:
        missing = [name for name in re.findall(r"`(test_\w+)`", page.read_text()) if f"def {name}(" not in everything]
        assert not missing, f"{page.name} names {missing}"


def test_every_command_exists():
    quoted = {command for page in PAGES for command, _ in COMMAND.findall(page.read_text())}
    assert "relay" in quoted
    assert quoted - set(get_commands()) == set()


def options(parser):
    """A parser's options, and those of its subcommands."""
    found = set()
    for action in parser._actions:
        found.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            found.update(*(options(inner) for inner in action.choices.values()))
    return found


@pytest.mark.parametrize("page", [README, *TITLED], ids=lambda page: page.name)
def test_every_option_of_a_quoted_command_exists(page):
    wrong = []
    for command, words in COMMAND.findall(page.read_text()):
        known = options(load_command_class(get_commands()[command], command).create_parser("manage.py", command))
        wrong += [f"{command} {option}" for option in re.findall(r"--[a-z][a-z-]*", words) if option not in known]
    assert not wrong


def test_every_command_of_the_project_is_in_the_table():
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py") if not path.stem.startswith("_")}
    rows = re.findall(r"^\| `.*$", (DOCS / "commands.md").read_text(), re.MULTILINE)
    listed = {command for row in rows for command, _ in COMMAND.findall(row)}
    assert ours <= listed, f"Add to the tables of docs/commands.md: {sorted(ours - listed)}"


def test_every_environment_variable_of_the_table_is_read_and_the_other_way_round():
    text = section(DOCS / "configuration.md", "## Environment variables")
    table = set(re.findall(r"`([A-Z_]+)`(?=[^|]*\|[^|]*\|[^|]*\|$)", text, re.MULTILINE))
    code = "".join(path.read_text() for path in (ROOT / "config").glob("*.py"))
    read = set(re.findall(r'environ\.get\("([A-Z_]+)"|flag\("([A-Z_]+)"|number\("([A-Z_]+)"|database\("([A-Z_]+)"', code))
    # One for each context: `_environment(context, "API_URL")`. The monolith sends no events, so it has no keys.
    words = re.findall(r'_environment\(\w+, "([A-Z_]+)"\)', (ROOT / "messaging" / "settings.py").read_text())
    each = {f"{name}_{word}" for name in ("USERS", "BILLING", "MONOLITH") for word in words}
    each -= {f"MONOLITH_{word}" for word in words if word.endswith("_KEYS")}
    known_elsewhere = {"NO_COLOR", "PYTHONWARNINGS"}  # everybody's: https://no-color.org, and Python's own
    assert {name for groups in read for name in groups if name} - table - known_elsewhere == set()
    assert each <= table
    assert {name for name in table - each if f'"{name}"' not in code} == set()


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    quoted = {target for page in PAGES for target in TARGET.findall(page.read_text())}
    assert {"run", "test", "check", "chaos", "bench"} <= quoted
    assert [target for target in sorted(quoted) if f"\n{target}:" not in makefile] == []


@each_page
def test_every_name_that_a_listing_imports_exists(page):
    for _, language, text in LISTING.findall(page.read_text()):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(dedent(text))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("messaging"):
                module = import_module(node.module)
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []

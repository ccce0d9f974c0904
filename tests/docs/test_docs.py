"""What the README and `docs/` say is there: files, tests, commands, environment variables."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)(?: ([a-z_]+))?")


def section(title):
    """The README's text below a heading, up to the next one of its level."""
    _, heading, rest = README.partition(f"\n{title}\n")
    assert heading, f"The README has no heading {title!r}."
    level = title.split()[0]
    return re.split(rf"^{level} ", rest, flags=re.MULTILINE)[0]


def slug(heading):
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def quoted_tests(text):
    return [(name.strip("`"), target) for name, target in LINK.findall(text) if name.startswith("`test_")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text()
    anchors = {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    dead = []
    for _, target in LINK.findall(text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        if (path and not (page.parent / path).exists()) or (not path and anchor not in anchors):
            dead.append(target)
    assert not dead


def test_no_page_names_an_absolute_path_of_this_machine():
    assert [page.name for page in PAGES if str(ROOT) in page.read_text()] == []


def test_every_decision_is_listed():
    listed = {target for _, target in LINK.findall(section("## Decisions"))}
    assert listed == {f"docs/decisions/{page.name}" for page in (ROOT / "docs" / "decisions").glob("*.md")}


def test_every_test_that_proves_a_guarantee_exists():
    assert len(quoted_tests(section("## Guaranteed"))) > 20
    quoted = quoted_tests(README)
    missing = [(name, target) for name, target in quoted if f"def {name}(" not in (ROOT / target).read_text()]
    assert not missing


def test_tests_named_in_the_decisions_exist():
    everything = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for page in PAGES[1:]:
        missing = [name for name in re.findall(r"`(test_\w+)`", page.read_text()) if f"def {name}(" not in everything]
        assert not missing, f"{page.name} names {missing}"


def test_every_command_exists():
    quoted = {command for page in PAGES for command, _ in COMMAND.findall(page.read_text())}
    assert "relay" in quoted
    assert quoted - set(get_commands()) == set()


def test_every_command_of_the_project_is_in_the_table():
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py") if not path.stem.startswith("_")}
    listed = {command for command, _ in COMMAND.findall(section("## Commands"))}
    assert ours <= listed, f"Add to the README's table of commands: {sorted(ours - listed)}"


def test_every_environment_variable_of_the_table_is_read_and_the_other_way_round():
    table = set(re.findall(r"`([A-Z_]+)`(?=[^|]*\|[^|]*\|[^|]*\|$)", section("### Environment variables"), re.MULTILINE))
    code = "".join(path.read_text() for path in (ROOT / "config").glob("*.py"))
    read = set(re.findall(r'environ\.get\("([A-Z_]+)"|flag\("([A-Z_]+)"|number\("([A-Z_]+)"|database\("([A-Z_]+)"', code))
    # One for each context: `f"{authority.upper()}_API_URL"`.
    words = re.findall(r'f"\{authority\.upper\(\)\}_([A-Z_]+)"', code)
    each = {f"{name}_{word}" for name in ("USERS", "BILLING", "MONOLITH") for word in words}
    # And for each that sends events: `f"{publisher.upper()}_SIGNING_KEYS"`.
    words = re.findall(r'f"\{publisher\.upper\(\)\}_([A-Z_]+)"', code)
    each |= {f"{name}_{word}" for name in ("USERS", "BILLING") for word in words}
    known_elsewhere = {"NO_COLOR", "PYTHONWARNINGS"}  # everybody's: https://no-color.org, and Python's own
    assert {name for groups in read for name in groups if name} - table - known_elsewhere == set()
    assert each <= table
    assert {name for name in table - each if f'"{name}"' not in code} == set()


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    quoted = set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z]+)`", README)) | set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "test", "check"} <= quoted
    assert [target for target in quoted if f"\n{target}:" not in makefile] == []

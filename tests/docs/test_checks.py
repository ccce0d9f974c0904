"""`docs/checks.md` lists exactly the checks that there are, and names a test of each."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "checks.md"
ROW = re.compile(r"^\| \[`messaging\.([EW]\d{3})`\]\(\.\./(\S+)\) \| (.+) \| (.+) \|$", re.MULTILINE)


def registered() -> set[str]:
    """The ids of the messages that the checks make."""
    found = set()
    for file in (ROOT / "messaging" / "operations" / "checks").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "id":
                assert isinstance(node.value, ast.Constant), f"{file.name}:{node.value.lineno}: write the id itself"
                found.add(str(node.value.value).removeprefix("messaging."))
    return found


def listed() -> list[str]:
    return [name for name, *_ in ROW.findall(PAGE.read_text())]


def test_the_page_lists_each_check_once() -> None:
    assert sorted(listed()) == sorted(registered())


def test_each_check_has_a_test_that_names_it() -> None:
    for name, path, *_ in ROW.findall(PAGE.read_text()):
        literals = {node.value for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Constant)}
        assert {name, f"messaging.{name}"} & literals, f"{path} doesn't have {name}"


def test_other_pages_name_no_other_check() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        unknown = set(re.findall(r"messaging\.([EW]\d{3})", page.read_text())) - registered()
        assert not unknown, page.name

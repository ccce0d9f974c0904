"""The versions that README and docs/versions.md name are those that `make matrix` runs."""

import re
from pathlib import Path

from tests import matrix

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (\d+\.\d+)\.\d+ \| (\d[\d.]+) \| (\w+) \| ([\w ,]+) \| [\d.]+ \|$", re.MULTILINE)


def test_the_table_has_every_pair_and_each_passed():
    page = (ROOT / "docs" / "versions.md").read_text()
    rows = ROW.findall(page.partition(matrix.HEAD)[2])
    expected = [(python, django) for django, pythons in matrix.SUPPORTED.items() for python in pythons]
    assert [(python, django) for python, django, *_ in rows] == expected, "Run `make matrix` and put its table on the page."
    assert [row for row in rows if row[2] != "pass" or not re.match(r"\d+ passed", row[3])] == []
    assert re.search(r"^Measured on 20\d\d-\d\d-\d\d", page, re.MULTILINE)


def test_the_readmes_last_line_names_them():
    pythons = f"Python {matrix.PYTHONS[0]} to {matrix.PYTHONS[-1]}"
    *most, newest = [".".join(django.split(".")[:2]) for django in matrix.SUPPORTED]
    last = (ROOT / "README.md").read_text().splitlines()[-1]
    assert f"[{pythons} and Django {', '.join(most)} and {newest}](docs/versions.md)" in last


def test_the_pinned_django_is_one_of_them():
    pinned = re.search(r"^Django==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned
    assert pinned[1] in matrix.SUPPORTED


def test_only_django_is_replaced():
    pins = set(matrix._pins(ROOT / "requirements-dev.txt"))
    changed = set(matrix.requirements("6.1.3")) - pins
    assert changed == {"Django==6.1.3"}
    less = set(matrix.requirements("6.1.3")) - set(matrix.requirements("6.1.3", without="signing"))
    assert {pin.partition("==")[0] for pin in less} == {"cryptography"}
    named = {re.split(r"[\[=; ]", pin)[0] for pin in pins}
    assert named >= matrix.LEFT_OUT
    assert all((ROOT / path).exists() for path in matrix.TESTS)


def test_the_row_counts_what_pytest_counted():
    assert (
        matrix.counts("....\n11 failed, 1851 passed, 66 skipped, 10 warnings in 374.54s (0:06:14)\n")
        == "11 failed, 1851 passed, 66 skipped"
    )
    assert matrix.counts("67 passed in 43.47s") == "67 passed"
    assert matrix.counts("ImportError while loading conftest") == "didn't run"

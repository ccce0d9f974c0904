"""Each chapter's slice runs and shows the chapter's mechanism; the page shows what it changes."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.walkthrough.chapters.test_prose import wrong
from walkthrough.chapters import CHAPTERS, FOLDER
from walkthrough.script import slices
from walkthrough.script.chapter import Listing
from walkthrough.script.code_listing import shown
from walkthrough.templatetags import walkthrough_slices

FOLDERS = [path.parent for path in sorted(FOLDER.glob("c*/chapter.md"))]
each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
MOST_LINES, MOST_COLUMNS = 60, 110
ACTIVE = [(user_id, "active", 1) for user_id in range(2, 6)]
#: What each slice shows, by its chapter's number.
SHOWS: dict[int, Any] = {
    0: {"billed": 2, "left after a deletion": 1},
    1: {"billed": 2, "left after a deletion": 2},
    2: {"billed": 2, "calls": 3, "while users is down": "users doesn't answer"},
    3: {"rows after a crash": [0, 0], "sent": 2, "copy": [(1, "active")]},
    4: {"twice": [1, 1, 1, 1, 0, 0, 0, 0], "late": [0, 0, 0, 0], "copy": [(1, "suspended", 4)]},
    5: {"killed at": 2, "later": [4, 6], "copy": [(1, "suspended", 2), *ACTIVE]},
    6: {"answers": [("active",), ("active",)], "gate before": False, "gate after the repair": True},
    7: {"silent": [1, 2], "after republishing": [], "copy": [(1, "suspended", 2), (2, "suspended", 2), (3, "active", 1)]},
    8: {"pulled": (2, 0), "copy": [(1, "suspended", 2), (2, "suspended", 2), (3, "active", 1)]},
    9: {"fresh": [(1, 10), (2, 10)], "hold": [], "proceed": [(1, 3900), (2, 3900)], "ask": [(1, 0)]},
    10: {
        "outcomes": ["applied", "applied", "obsolete", "parked: no status", "parked: no changed.v3"],
        "copy": [(1, "suspended", 2)],
    },
    11: {"refused": 401, "pulled": 2, "copy": [(1, "suspended", 2), (2, "active", 1)]},
    12: {"tampered": [5], "rebuilt": [], "lost": [3]},
}


def number(folder: Path) -> int:
    return int(folder.name[1:3])


@each
def test_it_shows_the_chapter_s_mechanism(folder: Path) -> None:
    assert import_module(f"walkthrough.chapters.{folder.name}.slice").main() == SHOWS[number(folder)]


@each
def test_it_runs_alone(folder: Path) -> None:
    done = subprocess.run([sys.executable, folder / "slice.py"], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == str(SHOWS[number(folder)])


@pytest.mark.parametrize(
    ("name", "old", "new", "key"),
    [
        ("c01_draw_the_line", "user_id INTEGER,", "user_id INTEGER REFERENCES user ON DELETE CASCADE,", "left after a deletion"),
        ("c03_outbox", "    with db:  # (1)\n", "    if True:\n", "rows after a crash"),
        ("c04_own_copy", "WHERE excluded.version > known_user.version", "", "copy"),
        ("c05_seed", 'db.execute("UPDATE checkpoint SET position = ?", page[-1][3:])', "pass", "killed at"),
        ("c07_silent_hour", "SET version = version + 1", "SET version = version", "silent"),
        ("c10_contract", '{"changed.v1": upcast, "changed.v2": read_v2}', '{"changed.v2": read_v2}', "outcomes"),
    ],
)
def test_without_its_mechanism_it_shows_something_else(tmp_path: Path, name: str, old: str, new: str, key: str) -> None:
    text = (FOLDER / name / "slice.py").read_text(encoding="utf-8")
    assert old in text
    text = text.replace(old, new).replace("made.executescript(schema)", "made.executescript('PRAGMA foreign_keys = ON;' + schema)")
    if name == "c05_seed":  # without a checkpoint it would never end
        text = text.replace("list(bootstrap(billing, users))", "[next(bootstrap(billing, users))]")
        key = "later"
    (tmp_path / "slice.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "slice.py"], capture_output=True, text=True, timeout=120, check=False)
    assert f"{key!r}: {SHOWS[int(name[1:3])][key]!r}" not in done.stdout


@each
def test_it_is_short_and_narrow(folder: Path) -> None:
    lines = (folder / "slice.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_COLUMNS


@each
def test_each_mark_is_explained_and_each_link_leads_to_the_code(folder: Path) -> None:
    found = slices.load(folder)
    assert found.callouts
    assert any(one.path for one in found.callouts)
    for one in found.callouts:
        if one.path:
            assert shown(Listing(one.path, one.name)).text
    assert list(wrong((folder / "slice.md").read_text(encoding="utf-8"), folder)) == []


def test_a_mark_without_an_explanation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "slice.py").write_text("a = 1  # (1)\nb = 2  # (2)\n", encoding="utf-8")
    (tmp_path / "slice.md").write_text("1. It is one.\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"has the marks \(1\), \(2\), and slice.md explains 1"):
        slices.load(tmp_path)


def test_a_diff_has_signs_marks_and_what_was_left_out() -> None:
    before = slices.Slice("a", "\n".join(["one  # (1)", "two  # (2)", *"abcdefgh", "last  # (3)"]), "", ())
    after = slices.Slice("b", "\n".join(["one", "2  # (1)", *"abcdefg", "h  # (2)", "end"]), "", ())
    found = slices.changes(before, after)
    assert [(line.sign, line.text, line.mark) for line in found] == [
        (" ", "one", ""),
        ("-", "two", ""),
        ("+", "2", "(1)"),
        *((" ", text, "") for text in "abc"),
        ("…", "", ""),
        *((" ", text, "") for text in "fg"),
        (" ", "h", "(2)"),
        ("-", "last", ""),
        ("+", "end", ""),
    ]


@pytest.mark.django_db(databases="__all__")
def test_the_first_page_shows_the_whole_slice_and_later_ones_the_changes(client: Client) -> None:
    first = client.get("/chapters/0/").content.decode()
    assert '<h2 id="slice-title">In 44 lines</h2>' in first
    assert 'class="change added"' not in first
    second = client.get("/chapters/1/").content.decode()
    assert '<h2 id="slice-title">What changed</h2>' in second
    assert re.search(r'<span class="change removed"><span class="sign">-</span>  user_id INTEGER REFERENCES user ON', second)
    assert re.search(r'<span class="change added"><span class="sign">\+</span>  user_id INTEGER, <b class="mark">\(1\)</b>', second)
    assert "In full: <code>Invoice</code> in <code>billing/models.py</code>" in second


@pytest.mark.django_db(databases="__all__")
def test_many_lines_are_folded_with_their_notes_and_few_are_open(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first, third = (client.get(f"/chapters/{number}/").content.decode() for number in (0, 3))
    assert re.search(r'<details class="fold">\s*<summary>All 44 lines, with 3 notes</summary>\s*<pre', first)
    size = r"\d+ lines added, \d+ removed, with 3 notes"
    assert re.search(
        rf'<details class="fold">\s*<summary>{size}</summary>\s*<pre[^>]*>.*?</pre>\s*<ol class="callouts">', third, re.DOTALL
    )
    monkeypatch.setattr(walkthrough_slices, "MOST_OPEN", 44)
    assert '<details class="fold" open>' in client.get("/chapters/0/").content.decode()


@pytest.mark.django_db(databases="__all__")
def test_each_chapter_but_the_first_and_the_last_two_leads_to_its_exercise(client: Client) -> None:
    found = [
        one.number
        for one in CHAPTERS
        if f'href="/exercises/{one.number}/"' in client.get(f"/chapters/{one.number}/").content.decode()
    ]
    assert found == list(range(1, 11))

"""A chapter is read in a few minutes: its words are counted, and may not grow."""

import pytest

from tests.walkthrough.words import spoken, written
from walkthrough.chapters import CHAPTERS, FOLDER
from walkthrough.script import words
from walkthrough.script.chapter import Advice, Chapter, Commands, Listing, Place, Prediction, Step, TradeOff, Window
from walkthrough.script.transcript import Check, Entry, Ran, Rows, Said

#: The most words that each chapter may have on its page, on its buttons and in what its steps say.
MOST = {0: 760, 1: 728, 2: 700, 3: 1005, 4: 621, 5: 921, 6: 1008, 7: 785, 8: 753, 9: 731, 10: 862, 11: 818, 12: 1043}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda one: one.slug)
def test_a_chapter_has_no_more_words_than_it_may(chapter: Chapter) -> None:
    found = written(chapter, FOLDER / f"c{chapter.number:02}_{chapter.slug.replace('-', '_')}")
    assert found <= MOST[chapter.number], f"Chapter {chapter.number} has {found} words. Say it shorter, or elsewhere."


def test_every_text_of_a_page_is_counted() -> None:
    chapter = Chapter(
        number=0,
        slug="slug",
        title="a",
        question="b",
        situation="c",
        change="d",
        still_wrong="e",
        starts=lambda stage: None,
        steps=(Step("name", "f", "g", lambda stage: None, prediction=Prediction("p", {"yes": "q", "no": "r"})),),
        listings=(Listing("path", "symbol", "h"),),
        trade_offs=(TradeOff("i", "j", "k"),),
        advice=(Advice("l", "m", (Commands(Place.HERE, ("n",)),)),),
        windows=(Window("o", "admin:index"),),
    )
    assert sorted([*words.prose(chapter), *words.buttons(chapter)]) == list("abcdefghijklmnopqr")


def test_words_are_counted_as_a_reader_sees_them() -> None:
    assert words.count(["Two words", "a [link to it](../c05_seed/chapter.md) — and `a.b()`", "| --- |"]) == 8


def test_what_a_step_says_is_counted_but_not_what_it_does() -> None:
    source = """
stage.manage("split", "users")
stage.check(f"It has {plural(n, 'row')} now", ok, seen="so many")
stage.say(A + "and on")
"""
    assert sorted(spoken(source)) == [" now", "It has ", "and on", "row", "so many"]


def test_all_that_a_played_step_shows_is_counted() -> None:
    entries: list[Entry] = [
        Said("One two."),
        Ran("manage.py x", 1, "three\nfour"),
        Ran("y", 0, '{"a": 1}\nin short', {"a": 1}),
        Rows("five", ("six",), (("7", "8"),)),
        Check("9", True, "10"),
    ]
    assert words.count(words.outputs(entries)) == 15

"""A chapter's prose and its code fit together, or a sentence says where they don't."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from walkthrough.chapters import FOLDER, chapter
from walkthrough.chapters.c03_outbox import steps
from walkthrough.script import chapter_file
from walkthrough.script.chapter import Act, Commands, Listing, Place, Window
from walkthrough.script.chapter_file import Unplayable, load

HERE = FOLDER / "c03_outbox"
TEXT = (HERE / "chapter.md").read_text(encoding="utf-8")


def read(text: str, **code: object):  # type: ignore[no-untyped-def]
    return chapter_file.chapter(HERE, text, SimpleNamespace(**{**vars(steps), **code}))  # type: ignore[arg-type]


def test_a_chapter_is_its_prose_and_its_steps():
    found = read(TEXT)
    assert found == chapter(3)
    assert (found.number, found.slug, found.title) == (3, "outbox", "Announce facts")
    assert found.starts is steps.starts
    assert [(step.name, step.run, step.kind) for step in found.steps] == [
        (name, act.run, act.kind) for name, act in steps.STEPS.items()
    ]
    assert found.listings[1] == Listing(
        "users/services.py",
        "user_suspend",
        "Writes the row and its event in one transaction.",
        first="with transaction",
        last="return user",
    )
    assert found.advice[0].commands == (Commands(Place.ANYWHERE, ("grep -rn 'post_save\\|post_delete' --include='*.py' .",)),)
    assert found.ending == "What is still wrong"
    assert chapter(12).ending == "What it costs, and what you get"


def test_a_window_may_have_a_query_and_a_listing_may_be_a_whole_file():
    text = TEXT.replace("(admin:users_outbox_changelist)", "(admin:users_outbox_changelist?status__exact=1)")
    text = text.replace("[`user_suspend` from `with transaction` to `return user`]", "[services.py]")
    assert read(text).windows[0] == Window("The outbox of users", "admin:users_outbox_changelist", "status__exact=1")
    assert read(text).listings[1] == Listing("users/services.py", says=read(TEXT).listings[1].says)


@pytest.mark.parametrize(("value", "words"), [(4.0, "4 times"), (0.5, "0.5 times"), (24, "24 times"), ("two", "two times")])
def test_a_name_in_braces_is_a_constant_of_the_steps(value, words):
    assert read(TEXT.replace("Neither order", "{MANY} times. Neither order"), MANY=value).change.startswith(words)


def test_a_hash_in_a_command_is_no_heading():
    text = TEXT.replace("```sh anywhere\n", "```sh anywhere\n## all of them\n")
    assert read(text).advice[0].commands[0].lines[0] == "## all of them"


def test_a_fence_says_where_its_commands_work():
    text = TEXT.replace("```sh anywhere\n", "```sh after lifting\nmanage.py status\n```\n\n```sh in this repository\n", 1)
    first, second = read(text).advice[0].commands
    assert first == Commands(Place.LIFTED, ("manage.py status",))
    assert second.place is Place.HERE


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "### kill-relay:",
            "### kill-relais:",
            "describes the step “kill-relais”, which steps.py doesn't have. It has “commit-first”, “send",
        ),
        (
            "### mend: Repair the lost change and the false one\n",
            "",
            "steps.py has the step “mend”, and nothing here describes it. Add “### mend: …”",
        ),
        ("### kill-relay: Kill", "### kill-relay Kill", "“### kill-relay Kill the relay, twice” should be a step's name, a colon"),
        ("### mend: Repair", "### outbox: Repair", "steps.py has the step “mend”"),
        (
            "### mend: Repair",
            "### mend: Once more\n\n### mend: Repair",
            "the steps in the order “commit-first”, .*“mend”, “mend”, and steps.py as",
        ),
        ("## The code", "## Code", "its sections are “Situation”, “The smallest change”, “Code”,.* They should be “Situation”"),
        ("## What is still wrong\n", "", "They should be .*“What is still wrong”"),
        ("## Trade-offs", "## Situation", "more than one heading “Situation”"),
        ("question: How", "How", "should begin with “title”, “question”, as `key: value`"),
        ("---\ntitle", "title", "should begin with “title”, “question”"),
        ("## Situation", "Well.\n\n## Situation", "“Well.” is above the first heading"),
        ("### commit-first", "Press all of them.\n\n### commit-first", "“Press all of them.” is above the first heading"),
        ("Neither order", "{ORDERS}", r"\{ORDERS\} stands for a constant, and steps.py has none"),
        ("- [Billing's copy](", "- Billing's copy (", "“Billing's copy .* should be a link"),
        ("../../../users/services.py", "../../../../users/services.py", "outside of the project"),
        ("| choice | gains |", "| choice | profits |", "the columns “choice”, “profits”, “costs”"),
        ("### Transactions over", "Look there.\n\n### Transactions over", "“.*everywhere” has text below its commands"),
        ("```sh anywhere", "```sh", "“`post_save` signals .*” has commands that work “”. .* should say one of “anywhere”"),
        ("```sh anywhere", "```sh sometimes", "has commands that work “sometimes”"),
        ("` from `with transaction` to", "` with `with transaction` to", "“`user_suspend` with .*” should be a name in backticks"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(old, new, says):
    assert old in TEXT
    with pytest.raises(Unplayable, match=says):
        read(TEXT.replace(old, new, 1))


def test_a_step_that_is_new_in_the_code_is_missed_in_the_prose():
    with pytest.raises(Unplayable, match="steps.py has the step “again”, and nothing here describes it"):
        read(TEXT, STEPS={**steps.STEPS, "again": Act(steps.mend)})


def test_the_sentence_names_the_file(tmp_path: Path):
    (tmp_path / "c03_outbox").mkdir()
    (tmp_path / "c03_outbox" / "chapter.md").write_text("Once upon a time")
    with pytest.raises(Unplayable, match="^c03_outbox/chapter.md: it should begin"):
        load(tmp_path / "c03_outbox")

"""Each exercise fails as shipped and passes with its solution, and each claim of its check can fail."""

import ast
import re
from pathlib import Path

import pytest

from config.env import ROOT
from tests import warm
from tests.walkthrough.exercises import answers
from walkthrough.chapters import chapter
from walkthrough.exercises import checker
from walkthrough.exercises.book import EXERCISES, FOLDER, Exercise
from walkthrough.exercises.checker import Result

each = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda one: one.name)
#: A sentence about what each exercise lacks as shipped.
LACKS = {
    1: "4 left: orders/models.py, line 5: walkthrough.exercises.shop.users.models",
    2: "An answer took 3 s, and decide waited for it.",
    3: "The row was committed before the event was recorded.",
    4: "Billing wasn't sent `users.user.plan_changed.v1`, because HANDLERS doesn't list it.",
    5: "A team has 3 paid seats and 2 free ones. The feed says 3.",
    6: "A row of the copy is wrong, and the gate lets billing pass.",
    7: "One of two users was changed by update(), and silent_changes returned [].",
    8: "The checkpoint is 5, and catch_up asked for the changes after 0.",
    9: "The copy is an hour old, 15 minutes are accepted, and 3 users were billed.",
    10: "users.user.suspended.v1 was parked: Unknown type or version",
}
#: The doors of `messaging` that applications import, as the import contract of the contexts has them.
DOORS = {"publisher", "consumer", "replica", "errors", "models", "settings"}
#: What runs a check: `walkthrough.exercises.run` of the project in the first argument.
RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from walkthrough.exercises import run; run.main()"


@pytest.fixture(autouse=True)
def _forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks run in forks: here it matters what they find. `test_checker` and `test_command` start them as a reader does."""

    def process(arguments: list[str], databases: Path, files: Path, template: Path, longest: float) -> str:
        environment = checker.environment(databases, files, template)
        ran = warm.run(["-c", RUN, str(ROOT), *arguments], cwd=databases, env=environment, timeout=longest)
        return ran.stdout + ran.stderr

    monkeypatch.setattr(checker, "_process", process)


def failed(result: Result) -> set[str]:
    return {one.claim for one in result.outcomes if one.lacks}


def test_there_is_one_for_each_chapter_from_1_to_10() -> None:
    assert [one.number for one in EXERCISES] == list(range(1, 11))


@each
def test_it_fails_as_shipped_and_each_claim_can_fail(exercise: Exercise, tmp_path: Path) -> None:
    shipped = checker.check(exercise, exercise.start)
    assert not shipped.error
    assert not shipped.done
    assert LACKS[exercise.number] in "\n".join(one.lacks for one in shipped.outcomes)
    found = failed(shipped)
    if exercise.number in answers.WRONG:
        found |= failed(checker.check(exercise, answers.wrong(exercise, tmp_path / "wrong")))
    assert {one.claim for one in shipped.outcomes} - found == set()


@each
def test_its_solution_passes(exercise: Exercise) -> None:
    result = checker.check(exercise, exercise.solution)
    assert [f"{one.claim}: {one.lacks}" for one in result.outcomes if one.lacks] == []
    assert result.done, result.error
    assert len(result.outcomes) >= 6


@each
def test_the_gap_is_in_each_file_or_the_file_says_that_it_is_complete(exercise: Exercise) -> None:
    assert exercise.files
    for path in exercise.files:
        start, solution = ((folder / path).read_text(encoding="utf-8") for folder in (exercise.start, exercise.solution))
        assert (start == solution) == ("This file is complete." in start), path


@each
def test_its_files_come_in_by_the_doors_of_messaging(exercise: Exercise) -> None:
    for path in [*exercise.start.rglob("*.py"), *exercise.solution.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("messaging"):
                assert module.removeprefix("messaging.") in DOORS, f"{path.name} imports {module}."


@each
def test_its_text_leads_somewhere(exercise: Exercise) -> None:
    text = (FOLDER / exercise.name / "exercise.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for target in links:
        assert (FOLDER / exercise.name / target).is_file(), target
    assert f"chapters/c{exercise.number:02}_" in text, "It should name its chapter."
    assert len(exercise.hints) >= 3
    shown = f"{exercise.what} {exercise.why} {' '.join(exercise.hints)} {exercise.afterwards}"
    assert "../../" not in shown
    assert str(ROOT) not in text
    assert chapter(exercise.number).title


@each
def test_a_page_shows_paths_of_files_that_exist(exercise: Exercise) -> None:
    for path in re.findall(r"`([\w/]+/[\w/]+\.(?:py|md))`", f"{exercise.what} {exercise.why} {exercise.afterwards}"):
        assert (ROOT / path).is_file() or (exercise.start / path).is_file(), path

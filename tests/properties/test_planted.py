"""The stories must find bugs: each planted bug is found by the invariant that it breaks."""

from importlib import import_module
from pathlib import Path

import pytest
from django.db import connections

from messaging.database.engines import postgresql
from tests.properties.model import DENSE, Broken
from tests.properties.plants import PLANTS, Plant
from tests.properties.stories import tell_by_hand
from tests.properties.system import System
from tests.properties.telling import options, tell

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.timeout(120)]
#: Each bug is found within so many stories, which are always the same ones.
EXAMPLES = 100
ROOT = Path(__file__).resolve().parents[2]
TOLD = [name for name, plant in PLANTS.items() if not plant.seen_by]
NAMED = [name for name, plant in PLANTS.items() if plant.seen_by]


@pytest.mark.parametrize("name", TOLD)
def test_a_planted_bug_breaks_its_invariant(system: System, name: str) -> None:
    if system.writes_beside:
        pytest.skip("The bugs are in lines that both engines share, and the stories that find them are SQLite's.")
    plant = PLANTS[name]
    with plant.planted(), pytest.raises(Broken) as found:
        if plant.story:
            tell_by_hand(system, plant.story)
        else:
            tell(system, options(examples=EXAMPLES, shrink=False))
    assert found.value.rule in plant.broken, str(found.value)


#: Positions from a sequence, taken when the row is written; the head is the highest visible one.
NAIVE = """
    CREATE SEQUENCE planted;
    CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN NEW.position := nextval('public.planted'); RETURN NEW; END $body$;
    CREATE TRIGGER planted BEFORE INSERT OR UPDATE OF version ON messaging_ledger FOR EACH ROW EXECUTE FUNCTION planted();
"""
#: `messaging_stamp` has the first text once, which becomes the second.
HIGHEST = ("head = before + given", "head = (SELECT max(position) FROM messaging_ledger)")


def test_a_position_before_the_commit_breaks_the_order(system: System) -> None:
    if not system.writes_beside:
        pytest.skip("SQLite has one writer at a time: commits do come in the order of their writes.")
    with connections["users"].cursor() as cursor:
        cursor.execute(NAIVE)
        cursor.execute("SELECT pg_get_functiondef('messaging_stamp(bigint, text)'::regprocedure)")
        (text,) = cursor.fetchone()
        assert text.count(HIGHEST[0]) == 1
        cursor.execute(text.replace(*HIGHEST))
    try:
        with pytest.raises(Broken) as found:
            tell_by_hand(system, "a_slow_writer_commits_behind_a_quick_one")
    finally:
        system.end_beside(committed=False)
        with connections["users"].cursor() as cursor:
            cursor.execute("DROP TRIGGER planted ON messaging_ledger; DROP FUNCTION planted; DROP SEQUENCE planted")
        postgresql.install_stamping(connections["users"])
    assert found.value.rule == DENSE


@pytest.mark.parametrize("name", NAMED)
def test_bugs_that_no_story_reaches_are_found_by_a_test(name: str) -> None:
    module, _, test = PLANTS[name].seen_by.partition(":")
    with PLANTS[name].planted(), pytest.raises(AssertionError):
        getattr(import_module(module), test)()


def test_the_table_lists_these_plants_and_no_others() -> None:
    lines = (ROOT / "docs" / "mutations.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert rows == [_row(name, plant) for name, plant in PLANTS.items()]


def _row(name: str, plant: Plant) -> str:
    module, _, function = plant.where.partition(":")
    file = f"{module.replace('.', '/')}.py"
    seen = "; ".join(sorted(plant.broken))
    if plant.seen_by:
        where, _, test = plant.seen_by.partition(":")
        seen = f"[`{test}`](../{where.replace('.', '/')}.py)"
    return f"| `{name}` | {plant.what} | [`{function}`](../{file}) | {seen} |"

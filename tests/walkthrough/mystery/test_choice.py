"""What a seed chooses, and that no file says it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.walkthrough.mystery.test_solved import HEALS
from walkthrough.control import concealed, faults
from walkthrough.mystery import choice, state
from walkthrough.mystery.begin import BEGIN
from walkthrough.mystery.causes import CAUSES, NAMES
from walkthrough.mystery.repairs import REPAIRS
from walkthrough.mystery.state import Mystery, Phase, Ticket
from walkthrough.script import kept

SEEDS = range(0, 600)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kept, concealed):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(concealed, "FILE", tmp_path / "concealed.json")
    monkeypatch.setattr(concealed, "_known", (0, frozenset()))
    monkeypatch.setattr(faults, "FILE", tmp_path / "faults.json")


def test_there_are_twelve_faults_and_each_has_its_words() -> None:
    assert len(CAUSES) == len(set(NAMES)) == 12
    assert set(NAMES) == set(BEGIN)
    names = {one.name for one in REPAIRS}
    for one in CAUSES:
        assert all((one.title, one.did, *one.hints)), one.name
        assert len(one.hints) == 2
        assert one.signs
        assert one.repairs
        assert set(one.repairs) <= names
        if one.name in HEALS:
            assert set(HEALS[one.name]) >= set(one.repairs[:1])


def test_the_same_seed_is_the_same_mystery() -> None:
    for seed in SEEDS:
        assert choice.cause_of(seed) is choice.cause_of(seed)
        assert choice.causes_of(seed) == choice.causes_of(seed)
        assert choice.repairs_of(seed) == choice.repairs_of(seed)


def test_a_seed_means_the_same_in_each_version() -> None:
    """A team writes a seed down."""
    assert [choice.cause_of(seed).name for seed in (7, 42, 2026)] == ["clock-slow", "queue-flushed", "tend-stopped"]


def test_twelve_seeds_in_a_row_have_all_faults_each_time_in_another_order() -> None:
    rounds = [tuple(choice.cause_of(seed).name for seed in range(start, start + 12)) for start in range(0, 600, 12)]
    assert {frozenset(one) for one in rounds} == {frozenset(NAMES)}
    assert len(set(rounds)) > 40


def test_the_right_answers_are_offered_and_their_place_tells_nothing() -> None:
    places: Counter[int] = Counter()
    for seed in SEEDS:
        cause, causes, repairs = choice.cause_of(seed), choice.causes_of(seed), choice.repairs_of(seed)
        named = [one.name for one in causes]
        assert len(set(named)) == choice.OFFERED
        assert cause.name in named
        assert cause.repairs[0] in {one.name for one in repairs}
        assert len(repairs) == choice.OFFERED
        places[named.index(cause.name)] += 1
    assert len(places) == choice.OFFERED
    assert max(places.values()) < len(SEEDS) / 3


def test_a_picked_seed_is_in_range_and_not_always_the_same() -> None:
    seeds = {choice.new_seed() for _ in range(20)}
    assert len(seeds) > 10
    assert all(0 <= seed <= choice.LARGEST_SEED for seed in seeds)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda one: one.name)
def test_no_kept_file_names_the_fault(cause, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seed = next(seed for seed in SEEDS if choice.cause_of(seed) is cause)
    concealed.conceal(seed, early=False)
    state.write(Mystery(seed, Phase.OPEN, ticket=Ticket("Ada got an invoice.", "1234"), tries=1))
    files = [path for path in tmp_path.iterdir()]
    assert {path.name for path in files} == {"concealed.json", "mystery.json"}
    kept_text = " ".join(path.read_text() for path in files)
    for word in {*NAMES, *(one.title for one in CAUSES), *faults.NAMES, concealed.RENAMED, concealed.SLOW_CLOCK}:
        assert word not in kept_text


def test_every_fault_leaves_the_same_traces_in_the_folder(tmp_path: Path) -> None:
    """Neither a file's presence nor its keys say if the fault is a switch or a stopped program."""
    shapes = set()
    for seed in range(12):
        concealed.conceal(seed, early=False)
        shapes.add(tuple(json.loads(concealed.FILE.read_text())))
    assert len(shapes) == 1


def test_concealed_faults_act_and_the_lab_doesn_t_show_them() -> None:
    seed = next(seed for seed in SEEDS if choice.cause_of(seed).name == "deliveries-dropped")
    concealed.conceal(seed, early=False)
    assert faults.acting() == {"drop"}
    assert faults.switched_on() == frozenset()
    faults.mend_all()
    assert faults.acting() == frozenset()


def test_switches_of_a_fault_that_only_begins_with_them_are_off_afterwards() -> None:
    seed = next(seed for seed in SEEDS if choice.cause_of(seed).name == "tend-stopped")
    concealed.conceal(seed, early=True)
    assert faults.acting() == {"drop"}
    concealed.conceal(seed, early=False)
    assert faults.acting() == frozenset()

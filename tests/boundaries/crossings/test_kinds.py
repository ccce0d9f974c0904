"""Each kind is found where the shop's comments mark it, and nowhere else."""

from pathlib import Path

import pytest

from messaging.boundaries.crossings.crossing import KINDS
from tests.boundaries.crossings.hosts import SHOP, Host, listed, marked


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def found(shop: Host) -> dict:
    return shop.survey("orders", "stock", "people")


def test_every_kind_is_marked_in_the_shop() -> None:
    assert {kind for kind, *_ in marked(SHOP)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_survey_finds_what_is_marked_and_no_more(found: dict, kind: str) -> None:
    expected = {each: number for each, number in marked(SHOP).items() if each[0] == kind}

    assert {each: number for each, number in listed(found).items() if each[0] == kind} == expected

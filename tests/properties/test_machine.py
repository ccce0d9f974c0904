"""The invariants of docs/guarantees.md hold after each step and in the end, for any events in any order."""

import pytest

from tests.properties.stories import STORIES, tell_by_hand
from tests.properties.system import System
from tests.properties.telling import options, tell

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.timeout(0)]


def test_whatever_happens_every_copy_ends_as_its_authority_is(system: System) -> None:
    tell(system, options())


@pytest.mark.parametrize("name", STORIES)
def test_a_story_that_chance_seldom_tells(system: System, name: str) -> None:
    tell_by_hand(system, name)

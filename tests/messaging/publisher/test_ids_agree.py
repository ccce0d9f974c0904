"""A digest of all ids spares a comparison the search for rows that no trigger saw. It must never spare one that would find any."""

from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.database import engines
from messaging.models import Ledger
from messaging.publisher import unseen
from tests.messaging.fingerprints.test_keys import BATCH, IDS
from tests.messaging.fingerprints.things import AUTHORITY, Things, entries, things

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ROWS, ENTRIES = ["none", "alive", "tombstone"], ["none", "alive", "deleted", "erased"]
#: What a trigger leaves. An erased aggregate's row may be alive again: somebody brought it back, which its entry doesn't follow.
SEEN = [("none", "none"), ("none", "deleted"), ("none", "erased"), ("alive", "alive"), ("alive", "erased")]
SEEN += [("tombstone", "deleted"), ("tombstone", "erased")]


def agree(made: Things) -> bool:
    return unseen._ids_agree(AUTHORITY, made.feed.tracked, engines.for_alias(AUTHORITY))


def finds_nothing(made: Things) -> bool:
    engine, tracked = engines.for_alias(AUTHORITY), made.feed.tracked
    searches = unseen._without_entry(AUTHORITY, tracked, engine), unseen._wrong(AUTHORITY, tracked)
    with connections[AUTHORITY].cursor() as cursor:
        return not any(unseen._any(cursor, search) for search in searches)


@pytest.mark.parametrize("kind", ["integer", "uuid", "text"])
def test_ids_agree_exactly_when_the_search_would_find_nothing(kind: str) -> None:
    """SQLite has no quick hash, so it always searches."""
    possible = connections[AUTHORITY].vendor == "postgresql"
    states = st.tuples(st.sampled_from(ROWS), st.sampled_from(ENTRIES))
    with things(kind, tombstone=("name", "erased")) as made:

        @settings(BATCH, max_examples=50)
        @given(st.dictionaries(IDS[kind], st.sampled_from(SEEN) | states, max_size=6))
        def check(found: dict[Any, tuple[str, str]]) -> None:
            entries(made, found)
            nothing = finds_nothing(made)
            assert nothing is all(state in SEEN for state in found.values())
            assert agree(made) is (nothing and possible)
            unseen.enter_rows(AUTHORITY, made.feed)
            assert finds_nothing(made)
            assert agree(made) is possible

        check()


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_state_of_one_among_others(row: str, entry: str) -> None:
    possible = connections[AUTHORITY].vendor == "postgresql"
    with things("integer", tombstone=("name", "erased")) as made:
        entries(made, {7: (row, entry), **dict(enumerate(SEEN, start=20))})
        Ledger.objects.using(AUTHORITY).create(aggregate="users.other", aggregate_id="7", version=1, changed_at=timezone.now())
        assert agree(made) is ((row, entry) in SEEN and possible)
        assert finds_nothing(made) is ((row, entry) in SEEN)

"""A copy that a test has damaged: the comparison finds each kind, and repairs it."""

from typing import Any

import pytest

from billing.models import CachedUser
from messaging.replica import compare, pull, repair
from messaging.replica.replica import Replica
from messaging.testing import plant_drift
from users.seeding import demo_users, save

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.mark.parametrize("kind", ["missing", "stale", "corrupt", "ghost", "ahead"])
def test_each_kind_is_found_and_repaired(api: Any, kind: str) -> None:
    replica = Replica.of("billing", "users")
    save(demo_users(5), with_events=False)
    pull.catch_up(replica)
    assert compare.compare(replica).verdict == "in_sync"
    key = plant_drift("billing", "users", kind)
    found = compare.compare(replica)
    assert [(row["id"], row["kind"]) for row in found.rows] == [(key, kind)]
    assert repair.repair(replica, found, authority_wins=True) == 1
    assert compare.compare(replica).verdict == "in_sync"


def test_what_can_not_be_planted_is_refused(api: Any) -> None:
    with pytest.raises(ValueError, match="'erased' is no kind of drift that can be planted. Use one of: missing, stale"):
        plant_drift("billing", "users", "erased")
    assert not CachedUser.objects.using("billing").exists()
    with pytest.raises(ValueError, match="The copy of users in billing is empty"):
        plant_drift("billing", "users", "stale")

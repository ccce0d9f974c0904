"""Measures one event after a burst during which autovacuum ran, so the planner's statistics say that all rows are waiting.

`python -m benchmarks.plans --events 50000`, on PostgreSQL. It measures a round of the sequencer and a claim of the relay in ms,
first as they are, then with the joins and incremental sorts that the planner would choose. The result is the median of ten events.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

from benchmarks.surroundings import migrated

PLANNERS = "enable_incremental_sort", "enable_hashjoin", "enable_mergejoin"
EVENTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    options = parser.parse_args()
    with migrated("users"):
        from messaging.database.engines import postgresql

        _burst(options.events)
        ours = postgresql._OFF
        for name, off in (("as it is", ours), ("planner's choice", [setting for setting in ours if setting not in PLANNERS])):
            sequencer, claim = _costs(off)
            print(f"{name}: sequencer {sequencer:.1f} ms, claim {claim:.1f} ms for one event after {options.events:,}")


def _burst(events: int) -> None:
    from django.db import connections, transaction

    from messaging.database import engines
    from messaging.ledger import sequencer
    from messaging.publisher import relay
    from users.seeding import demo_users, save

    save(demo_users(events), with_events=True)
    with connections["users"].cursor() as cursor:
        cursor.execute("ANALYZE published, messaging_ledger")
    sequencer.stamp_pending("users")
    claimed = True
    while claimed:
        with transaction.atomic(using="users"):
            claimed = bool(engines.for_alias("users").claim("users", "users", relay.BATCH_ROWS))


def _costs(off: Sequence[str]) -> tuple[float, float]:
    """Return the medians of the sequencer's round and of the claim in ms, with these planner methods switched off."""
    from django.db import connections, transaction

    from messaging.database.engines import postgresql
    from messaging.ledger import sequencer
    from messaging.publisher import relay
    from users.models import User
    from users.services import user_change_email

    postgresql._OFF = tuple(off)
    postgresql._ALONG_INDEXES = ", ".join(f"set_config('{setting}', 'off', true)" for setting in off)
    postgresql.install_stamping(connections["users"])
    stamps, claims = [], []
    for number, user in enumerate(User.objects.using("users").order_by("id")[:EVENTS]):
        user_change_email(user_id=user.pk, email=f"{len(off)}-{number}@example.org")
        began = time.perf_counter()
        assert postgresql.stamp("users", sequencer.BATCH_ROWS) == 1
        stamped = time.perf_counter()
        with transaction.atomic(using="users"):
            assert len(postgresql.claim("users", "users", relay.BATCH_ROWS)) == 1
        stamps.append(1000 * (stamped - began))
        claims.append(1000 * (time.perf_counter() - stamped))
    return statistics.median(stamps), statistics.median(claims)


if __name__ == "__main__":
    main()

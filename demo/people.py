"""Demo people: names and numbers, the same for the same seed, without Django.

Two contexts fill their tables with them, and a person must have the same id in both, as if one table had been split from the other.
The contexts don't import each other or `config`, and a project that uses `messaging` needs no demo names. So this package is
separate and imports nothing of the project.
"""

import random
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

#: A demo person has the same id in every database: uuid5 of this namespace and "demo/<seed>/<number>".
NAMESPACE = uuid.UUID("6f1a4c1e-2d53-4d0f-9a57-0f6c3f0b7b1d")
STARTED = datetime(2024, 1, 1, tzinfo=UTC)
FIRST_NAMES = (
    "Ada Amir Anna Ben Chloe Diego Elif Emma Farid Grace Hana Ivan Jonas Kofi Lena Mara Nils Olga Priya Samir Tessa Yuki"
).split()
LAST_NAMES = (
    "Adler Berg Costa Diaz Eriksen Fischer Garcia Haas Ito Jansen Kaya Lang Meyer Novak Okafor Patel Rossi Silva Weber"
).split()
REASONS = ("payment failed", "chargeback", "abuse report", "asked to pause")
#: Ids to look up at a time.
AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """A demo person."""

    id: uuid.UUID
    email: str
    name: str
    since: datetime
    suspended: tuple[str, datetime] | None  #: Reason and time; None if active.


def people(
    count: int, *, suspended: float, seed: int, first: int, known: Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]]
) -> Iterator[Person]:
    """Make the next people of a series, from the number `first`. `suspended` is a share, 0 to 1; `known` returns the ids in use."""
    chance = random.Random(seed)
    halted = set(chance.sample(range(count), round(count * suspended)))
    for place, (number, person_id) in enumerate(islice(_unused(seed, first, known), count)):
        # A generator for each person, so that they don't depend on `count`.
        chance = random.Random(f"{seed}/{number}")
        given, family = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        since = STARTED + timedelta(seconds=chance.randrange(2 * 365 * 86400))
        halt = (chance.choice(REASONS), since + timedelta(days=chance.randrange(1, 60))) if place in halted else None
        yield Person(person_id, f"{given}.{family}.{number}{series(seed)}".lower(), f"{given} {family}", since, halt)


def series(seed: int) -> str:
    """Return the end of a series' addresses."""
    return f".s{seed}@example.org" if seed else "@example.org"


def _unused(
    seed: int, first: int, known: Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]]
) -> Iterator[tuple[int, uuid.UUID]]:
    """Iterate over (number, id) of people that `known` doesn't return."""
    while True:
        ids = {uuid.uuid5(NAMESPACE, f"demo/{seed}/{number}"): number for number in range(first, first + AT_A_TIME)}
        taken = known(ids)
        yield from ((number, person_id) for person_id, number in ids.items() if person_id not in taken)
        first += AT_A_TIME

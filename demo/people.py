"""Made-up people, the same for the same seed. Nothing here but names and numbers: no Django, no table.

Two contexts fill their tables with them, and a person must have the same id in both, as if one had been split from the other. They
don't import each other, they may not import `config`, and `messaging` is lifted into other people's projects, which need no demo
names. So the names have a package of their own that knows nobody.
"""

import random
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

#: A made-up person has the same id in every database: uuid5 of this namespace and "demo/<seed>/<number>".
NAMESPACE = uuid.UUID("6f1a4c1e-2d53-4d0f-9a57-0f6c3f0b7b1d")
STARTED = datetime(2024, 1, 1, tzinfo=UTC)
FIRST_NAMES = (
    "Ada Amir Anna Ben Chloe Diego Elif Emma Farid Grace Hana Ivan Jonas Kofi Lena Mara Nils Olga Priya Samir Tessa Yuki"
).split()
LAST_NAMES = (
    "Adler Berg Costa Diaz Eriksen Fischer Garcia Haas Ito Jansen Kaya Lang Meyer Novak Okafor Patel Rossi Silva Weber"
).split()
REASONS = ("payment failed", "chargeback", "abuse report", "asked to pause")
#: Numbers whose ids are looked up at a time.
AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """`suspended`: why and since when; None for who is active."""

    id: uuid.UUID
    email: str
    name: str
    since: datetime
    suspended: tuple[str, datetime] | None


def people(
    count: int, *, suspended: float, seed: int, first: int, known: Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]]
) -> Iterator[Person]:
    """The next people of a series. `suspended`: a share, 0 to 1. `first`: the number to begin at. `known`: which ids are taken."""
    chance = random.Random(seed)
    halted = set(chance.sample(range(count), round(count * suspended)))
    for place, (number, person_id) in enumerate(islice(_unused(seed, first, known), count)):
        # A generator of its own, so that a person doesn't depend on how many were asked for.
        chance = random.Random(f"{seed}/{number}")
        given, family = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        since = STARTED + timedelta(seconds=chance.randrange(2 * 365 * 86400))
        halt = (chance.choice(REASONS), since + timedelta(days=chance.randrange(1, 60))) if place in halted else None
        yield Person(person_id, f"{given}.{family}.{number}{series(seed)}".lower(), f"{given} {family}", since, halt)


def series(seed: int) -> str:
    """What the addresses of a series end in."""
    return f".s{seed}@example.org" if seed else "@example.org"


def _unused(
    seed: int, first: int, known: Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]]
) -> Iterator[tuple[int, uuid.UUID]]:
    """(number, id) of those who never were."""
    while True:
        ids = {uuid.uuid5(NAMESPACE, f"demo/{seed}/{number}"): number for number in range(first, first + AT_A_TIME)}
        taken = known(ids)
        yield from ((number, person_id) for person_id, number in ids.items() if person_id not in taken)
        first += AT_A_TIME

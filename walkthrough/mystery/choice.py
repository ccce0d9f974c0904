"""What a seed chooses: the fault, and the causes and repairs that the reader chooses from. The same seed chooses the same."""

import random

from walkthrough.mystery.causes import CAUSES, NAMES, Cause, cause
from walkthrough.mystery.repairs import REPAIRS, Repair, repair

#: Causes and repairs that a mystery offers.
OFFERED = 6
LARGEST_SEED = 999_999


def new_seed() -> int:
    """Pick a seed."""
    return random.SystemRandom().randint(1, LARGEST_SEED)


def cause_of(seed: int) -> Cause:
    """Return the fault. Twelve seeds in a row, from a multiple of twelve on, have all twelve."""
    block, place = divmod(seed, len(CAUSES))
    names = list(NAMES)
    random.Random(f"block {block}").shuffle(names)
    return cause(names[place])


def causes_of(seed: int) -> list[Cause]:
    """Return the causes to choose from, in the order of `CAUSES`."""
    right = cause_of(seed)
    others = [one for one in CAUSES if one is not right]
    chosen = [right, *random.Random(f"causes {seed}").sample(others, OFFERED - 1)]
    return [one for one in CAUSES if one in chosen]


def repairs_of(seed: int) -> list[Repair]:
    """Return the repairs to choose from, in the order of `REPAIRS`. The right one is among them."""
    right = repair(cause_of(seed).repairs[0])
    others = [one for one in REPAIRS if one is not right]
    chosen = [right, *random.Random(f"repairs {seed}").sample(others, OFFERED - 1)]
    return [one for one in REPAIRS if one in chosen]


def switches(seed: int, early: bool) -> frozenset[str]:
    """Return the concealed faults of a seed."""
    found = cause_of(seed)
    return found.early if early else found.lasting

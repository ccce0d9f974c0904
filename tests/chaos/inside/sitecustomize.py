"""Python imports this in every process of a run. It adds a clock that can be set, a disk that can be full, and a plant if one is
chosen. See `tests/bending.py`."""

import os

from tests.bending import bend
from tests.chaos.inside import clock, disk

bends = {**clock.BENDS, **disk.BENDS}
if os.environ.get("CHAOS_PLANT"):
    from tests.chaos.plants import PLANTS

    bends |= PLANTS[os.environ["CHAOS_PLANT"]]
bend(bends)

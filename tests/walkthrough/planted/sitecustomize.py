"""Python imports this by itself where its folder is in PYTHONPATH (beside the project's): so every process of a `make run` gets the
plants."""

from tests.bending import bend
from tests.walkthrough.planted.plants import PLANTS

bend(PLANTS)

"""Python imports this by itself where its folder is in PYTHONPATH (beside the project's): so every process of a `make run` gets the
plants.

Nothing is imported ahead of its time. A module that has a plant is bent right after it was executed, before anybody uses it.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

from tests.walkthrough.planted.plants import PLANTS


class Bending(importlib.abc.Loader):
    """The module's own loader, and then its plant."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        PLANTS[module.__name__](module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that have a plant, and nothing else."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in PLANTS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Bending(spec.loader)
        return spec


sys.meta_path.insert(0, Finder())

"""Changes modules at their import in other processes, for planted bugs and for faults that are only possible from inside.

A `sitecustomize` module calls `bend`. Python imports that module by itself if its folder is in PYTHONPATH. Nothing is imported
early: a module is changed right after its execution, before other code uses it.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

Bend = Callable[[ModuleType], None]


class Bending(importlib.abc.Loader):
    """Runs the module's own loader, then changes the module."""

    def __init__(self, loader: importlib.abc.Loader, bend: Bend) -> None:
        self.loader = loader
        self.bend = bend

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        self.bend(module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds only the modules to change."""

    def __init__(self, bends: Mapping[str, Bend]) -> None:
        self.bends = bends

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self.bends:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Bending(spec.loader, self.bends[name])
        return spec


def bend(bends: Mapping[str, Bend]) -> None:
    """Change these modules, by name, at their import."""
    sys.meta_path.insert(0, Finder(bends))

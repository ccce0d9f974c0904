"""Modules that are taken for a context's. Copies of the project are `walkthrough.control.project_copy`'s."""

import types
from typing import Any


def planted_module(name: str, source: str) -> Any:
    """A module by that name, as if a context held it: its functions are taken for the context's."""
    module = types.ModuleType(name)
    exec(compile(source, f"{name.replace('.', '/')}.py", "exec"), module.__dict__)
    return module

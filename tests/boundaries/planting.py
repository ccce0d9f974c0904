"""Modules that count as a context's. For copies of the project there is `walkthrough.control.project_copy`."""

import types
from typing import Any


def planted_module(name: str, source: str) -> Any:
    """Make a module with that name, so that its functions count as the context's."""
    module = types.ModuleType(name)
    exec(compile(source, f"{name.replace('.', '/')}.py", "exec"), module.__dict__)
    return module

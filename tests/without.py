"""A package that isn't installed, for tests of what messaging does without it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from messaging import extras


@contextmanager
def without(package: str) -> Iterator[None]:
    """Let imports of a package fail within the block, and let `extras` see it as not installed. Imported modules stay."""
    known = {name: module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")}
    sys.modules.update(dict.fromkeys([package, *known]))  # type: ignore[arg-type]  # None: the import fails
    extras._installed.cache_clear()
    try:
        yield
    finally:
        sys.modules.update(known)
        if package not in known:
            del sys.modules[package]
        extras._installed.cache_clear()

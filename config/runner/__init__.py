"""Starts and supervises the programs of `make run`."""

from collections.abc import Callable

#: Called at each start, when the databases are up to date and before any program starts.
beginning: list[Callable[[], None]] = []

"""Named moments between two steps of delivery. Nothing happens at them; crash tests and the lab hang their faults there."""

from collections.abc import Callable

listeners: list[Callable[[str], None]] = []


def reach(step: str) -> None:
    """Tell whoever listens that this step is reached."""
    for listener in listeners:
        listener(step)

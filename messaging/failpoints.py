"""Named moments between two steps of delivery, and the passage between relay and broker. Nothing happens at them; crash tests and
the lab hang their faults there."""

from collections.abc import Callable
from typing import Any, Protocol


class Recipient(Protocol):
    """A consumer, as a passage knows it."""

    @property
    def name(self) -> str: ...

    @property
    def queue(self) -> str: ...


listeners: list[Callable[[str], None]] = []
#: Each gets a consumer's message (a list of envelopes), and returns the messages to send instead.
passages: list[Callable[[Recipient, list[dict[str, Any]]], list[list[dict[str, Any]]]]] = []


def reach(step: str) -> None:
    """Tell whoever listens that this step is reached."""
    for listener in listeners:
        listener(step)


def outgoing(consumer: Recipient, message: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The messages to send for this one: itself, unless a passage says otherwise."""
    messages = [message]
    for passage in passages:
        messages = [passed for each in messages for passed in passage(consumer, each)]
    return messages

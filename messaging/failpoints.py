"""Named points between two steps of delivery, and hooks between relay and broker. They do nothing by themselves; crash tests and
the lab inject their faults there."""

from collections.abc import Callable
from typing import Any, Protocol


class Recipient(Protocol):
    """The attributes of a consumer that a hook may read."""

    @property
    def name(self) -> str: ...

    @property
    def queue(self) -> str: ...


#: Called with the name of each point that is reached.
listeners: list[Callable[[str], None]] = []
#: Hooks of the relay. Each gets a consumer and its message (a list of envelopes), and returns the messages to send instead.
passages: list[Callable[[Recipient, list[dict[str, Any]]], list[list[dict[str, Any]]]]] = []


def reach(step: str) -> None:
    """Call the listeners with the name of this point."""
    for listener in listeners:
        listener(step)


def outgoing(consumer: Recipient, message: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the messages to send for this one: itself, unless a hook replaces it."""
    messages = [message]
    for passage in passages:
        messages = [passed for each in messages for passed in passage(consumer, each)]
    return messages

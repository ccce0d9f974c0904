"""Read the outbox in a test."""

import uuid
from typing import Any

from pydantic_core import to_jsonable_python

from messaging.events.contract import DomainEvent
from messaging.publisher import outbox
from messaging.settings import context


def recorded(publisher: str) -> list[dict[str, Any]]:
    """The envelopes in a context's outbox, sent or not, in the order in which they were recorded."""
    return list(outbox.rows(context(publisher).alias, publisher).order_by("added", "id").values_list("body", flat=True))


def assert_recorded(event: type[DomainEvent], /, *, subject: uuid.UUID | int | str | None = None, **data: Any) -> dict[str, Any]:
    """Check that an event was recorded, delivered or not. Returns the envelope of the last one that matches.

    Parameters
    ----------
    event
        Its class, as `UserSuspended`.
    subject
        The id of its aggregate; None: any.
    data
        Values of some of its fields, as Python has them.

    Raises
    ------
    AssertionError
        No such event was recorded. The message lists those that were.
    """
    if strange := data.keys() - event.model_fields.keys():
        raise AssertionError(f"{event.__name__} has no field {sorted(strange)[0]!r}. Its fields: {', '.join(event.model_fields)}.")
    wanted = {"type": event.wire} if subject is None else {"type": event.wire, "subject": str(subject)}
    values = to_jsonable_python(data)
    found = recorded(event.source())
    matching = [body for body in found if wanted.items() <= body.items() and values.items() <= body["data"].items()]
    if not matching:
        asked = ", ".join([event.wire, *([f"subject={subject}"] if subject is not None else []), *_said(values)])
        listed = "\n".join(", ".join([body["type"], f"subject={body['subject']}", *_said(body["data"])]) for body in found)
        raise AssertionError(f"{event.source()} didn't record {asked}. It recorded:\n{listed or 'nothing'}")
    return matching[-1]


def _said(data: dict[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in sorted(data.items())]

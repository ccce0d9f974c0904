"""Texts: what people read of an error and of a number; and what any database takes of what arrived, for PostgreSQL stores no NUL
character, and UTF-8 has no lone surrogates."""

import json
import re
import uuid
from traceback import format_tb
from typing import Any

#: How deep a value may be nested that is stored as JSON. Python's own reader and writer give up at less than 1,000.
DEEPEST_LEVELS = 100
#: Characters that steer a terminal, or the direction in which it writes, and aren't seen.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class _Written(str):
    __slots__ = ()


def safe(text: str) -> str:
    """The same text, with what can't be stored as an escape: `\\u0000`, `\\udc80`."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")


def printable(text: str) -> str:
    """The same text, with its control characters as escapes: what another program said must not steer a person's terminal."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], safe(text))


def kind(error: BaseException) -> str:
    """The sort of an error, in words: "key error" of a KeyError. The error's text isn't in it: that may hold personal data."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()


def said(error: BaseException) -> str:
    """What an error says to a person: its first line without the full stop; `kind` where it says nothing."""
    return (next(iter(str(error).splitlines()), "").strip() or kind(error)).rstrip(".")


def plural(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun: "1 row", "2,400 rows". `nouns`: the plural where it isn't the noun with an s. Both may go on with a
    verb: `plural(number, "row differs", "rows differ")`."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def error_line(error: BaseException) -> str:
    """What went wrong, in one line: a database adds the statement and its values in more lines, which may be personal data."""
    first = next(iter(str(error).splitlines()), "")
    return safe(f"{type(error).__name__}: {first}" if first else type(error).__name__)


def traced(error: BaseException) -> str:
    """Where an error came from, as Python prints it; of each error in the chain the first line only, see `error_line`."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    between = "directly caused" if error.__cause__ else "was being handled before"
    before = f"{traced(cause)}\n\nThis {between}:\n\n" if cause is not None else ""
    frames = "".join(format_tb(error.__traceback__))
    return f"{before}Traceback (most recent call last):\n{safe(frames)}{error_line(error)}"


def storable(value: Any) -> bool:
    """Whether both databases take this as JSON: they refuse NaN, NUL characters and lone surrogates."""
    if _depth_exceeds(value, DEEPEST_LEVELS):
        return False
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError):
        return False
    return "\\u0000" not in text


def written(value: Any) -> str:
    """As JSON in ASCII, however deep and whatever is in it: NaN as Python writes it, and what no JSON knows as a string."""
    pieces: list[str] = []
    rest: list[Any] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, _Written):
            pieces.append(item)
        elif isinstance(item, dict):
            rest.append(_Written("}"))
            for number, (name, part) in reversed(list(enumerate(item.items()))):
                rest += [part, _Written(f"{', ' if number else ''}{json.dumps(str(name))}: ")]
            rest.append(_Written("{"))
        elif isinstance(item, list | tuple):
            rest.append(_Written("]"))
            for number, part in reversed(list(enumerate(item))):
                rest += [part, _Written(", " if number else "")]
            rest.append(_Written("["))
        else:
            pieces.append(json.dumps(item, default=str))
    return "".join(pieces)


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            part for item in level if isinstance(item, dict | list) for part in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def brief(text: str) -> str:
    """An id's first eight characters; of what is no UUID the first 16."""
    try:
        uuid.UUID(text)
    except ValueError:
        return text if len(text) <= 16 else f"{text[:15]}…"
    return text[:8]


def title(event_type: Any, values: Any) -> str:
    """What a row about an event is called: its type, and of whom in short. Never more, for an envelope has personal data.

    `values`: the envelope or its headers, for their `subject`.
    """
    subject = values.get("subject") if isinstance(values, dict) else None
    return f"{event_type or 'unknown type'}, {brief(str(subject))}" if subject else str(event_type or "unknown type")

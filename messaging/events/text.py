"""Text: errors and numbers in words, and received text in a form that any database stores. PostgreSQL stores no NUL character, and
UTF-8 has no lone surrogates."""

import json
import re
import uuid
from traceback import format_tb
from typing import Any

#: How deep a value stored as JSON may be nested. Python's own parser and encoder fail at less than 1,000.
DEEPEST_LEVELS = 100
#: Invisible characters that control a terminal, or its writing direction.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class _Written(str):
    __slots__ = ()


def safe(text: str) -> str:
    """The same text, with escapes for characters that can't be stored: `\\u0000`, `\\udc80`."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")


def printable(text: str) -> str:
    """The same text, with escapes for control characters: another program's text must not control a person's terminal."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], safe(text))


def kind(error: BaseException) -> str:
    """An error's class in words: "key error" for a KeyError. It leaves out the error's text, which may hold personal data."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()


def said(error: BaseException) -> str:
    """An error's first line without the full stop; its `kind` if it has no text."""
    return (next(iter(str(error).splitlines()), "").strip() or kind(error)).rstrip(".")


def plural(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun: "1 row", "2,400 rows". Pass `nouns` if the plural isn't the noun with an s, as with a verb:
    `plural(number, "row differs", "rows differ")`."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def error_line(error: BaseException) -> str:
    """An error in one line. A database's further lines repeat the statement and its values, which may be personal data."""
    first = next(iter(str(error).splitlines()), "")
    return safe(f"{type(error).__name__}: {first}" if first else type(error).__name__)


def traced(error: BaseException) -> str:
    """A traceback as Python prints it, but with only the first line of each error in the chain; see `error_line`."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    between = "directly caused" if error.__cause__ else "was being handled before"
    before = f"{traced(cause)}\n\nThis {between}:\n\n" if cause is not None else ""
    frames = "".join(format_tb(error.__traceback__))
    return f"{before}Traceback (most recent call last):\n{safe(frames)}{error_line(error)}"


def storable(value: Any) -> bool:
    """Return True if both databases store this as JSON. They refuse NaN, NUL characters and lone surrogates."""
    if _depth_exceeds(value, DEEPEST_LEVELS):
        return False
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError):
        return False
    return "\\u0000" not in text


def written(value: Any) -> str:
    """Write any value as JSON in ASCII, however deep. NaN is written as Python does, and types that JSON lacks as strings."""
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
    """A UUID's first 8 characters, or another text's first 16."""
    try:
        uuid.UUID(text)
    except ValueError:
        return text if len(text) <= 16 else f"{text[:15]}…"
    return text[:8]


def title(event_type: Any, values: Any) -> str:
    """The title of a row about an event: its type, and the short `subject` of `values` (the envelope or its headers). It has
    nothing else of the envelope, which may hold personal data."""
    subject = values.get("subject") if isinstance(values, dict) else None
    return f"{event_type or 'unknown type'}, {brief(str(subject))}" if subject else str(event_type or "unknown type")

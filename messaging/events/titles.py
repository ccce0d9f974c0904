"""What a row of the plumbing is called in a title: its type, and of whom in short. Never an envelope, which has personal data."""

import uuid
from typing import Any


def brief(text: str) -> str:
    """An id's first eight characters; of what is no UUID the first 16."""
    try:
        uuid.UUID(text)
    except ValueError:
        return text if len(text) <= 16 else f"{text[:15]}…"
    return text[:8]


def title(kind: Any, values: Any) -> str:
    """An event's title. `values`: its envelope or its headers, for their `subject`."""
    subject = values.get("subject") if isinstance(values, dict) else None
    return f"{kind or 'unknown type'}, {brief(str(subject))}" if subject else str(kind or "unknown type")

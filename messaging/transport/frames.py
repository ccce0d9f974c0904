"""Checks the frame of a message (everything around its body) before a worker opens the message.

Anybody who may write to a queue may write any frame. A worker that decompresses every message would make gigabytes of a megabyte
before it knows the sender. So it opens only messages that look like a relay's.
"""

from collections.abc import Mapping
from typing import Any

from messaging.events.limits import LARGEST_BODY_BYTES
from messaging.events.text import plural

#: Every message of ours has these.
CONTENT_TYPE, CONTENT_ENCODING = "application/json", "utf-8"
#: A frame with its body. In Redis the body is base64, four bytes for three.
LARGEST_FRAME_BYTES = LARGEST_BODY_BYTES * 4 // 3 + 64 * 1024
#: How much of a larger frame is read and parked.
KEPT_BYTES = 64 * 1024


def objection(content_type: Any, content_encoding: Any, headers: Any) -> str:
    """The reason not to open a message with this frame; empty if a relay could have sent it."""
    if not isinstance(headers, Mapping):
        return "Not opened: its headers aren't a table."
    if headers.get("compression") is not None:
        return f"Not opened: it is compressed ({_shown(headers['compression'])})."
    if content_type != CONTENT_TYPE:
        return f"Not opened: its content type is {_shown(content_type)}, {CONTENT_TYPE} is allowed."
    if content_encoding != CONTENT_ENCODING:
        return f"Not opened: its content encoding is {_shown(content_encoding)}, {CONTENT_ENCODING} is allowed."
    return ""


def frame_too_large(size: int) -> str:
    """The reason not to open a frame that is larger than any of a relay's."""
    return f"Not opened: {plural(size, 'byte')}, {LARGEST_FRAME_BYTES:,} are allowed."


def _shown(value: Any) -> str:
    return repr(value[:50]) if isinstance(value, str) else type(value).__name__

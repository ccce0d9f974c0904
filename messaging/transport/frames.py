"""The frame of a message: what is around its body. Anybody who may write to a queue writes it, so a worker looks at it before it
opens anything, and opens what looks as a relay sends it.

A worker that decompresses whatever says that it is compressed makes gigabytes of a megabyte, before it knows who sent it.

Only what is in a context's queue is looked at. A host's own tasks may be compressed, large, or for somebody who waits for a reply.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from messaging import settings
from messaging.events.limits import LARGEST_BODY_BYTES
from messaging.events.text import plural

#: What every message of ours has.
CONTENT_TYPE, CONTENT_ENCODING = "application/json", "utf-8"
#: Bytes of a frame with its body. Redis carries the body as base64, four bytes for three.
LARGEST_FRAME_BYTES = LARGEST_BODY_BYTES * 4 // 3 + 64 * 1024
#: Bytes of a larger frame that are read, to be parked.
KEPT_BYTES = 64 * 1024


def judged(queue: str) -> bool:
    """Say if a queue is a context's, so that nothing but a relay's messages belongs there."""
    try:
        return queue in settings.contexts()
    except ImproperlyConfigured:  # a Celery app without Django has no contexts
        return False


def objection(content_type: Any, content_encoding: Any, headers: Any) -> str:
    """Why a message with this frame isn't opened; empty where a relay could have sent it."""
    if not isinstance(headers, Mapping):
        return "Not opened: its headers are no table."
    if headers.get("compression") is not None:
        return f"Not opened: it is compressed ({_shown(headers['compression'])})."
    if content_type != CONTENT_TYPE:
        return f"Not opened: its content type is {_shown(content_type)}, {CONTENT_TYPE} is allowed."
    if content_encoding != CONTENT_ENCODING:
        return f"Not opened: its content encoding is {_shown(content_encoding)}, {CONTENT_ENCODING} is allowed."
    return ""


def frame_too_large(size: int) -> str:
    """The reason for a frame that is larger than any of a relay's."""
    return f"Not opened: {plural(size, 'byte')}, {LARGEST_FRAME_BYTES:,} are allowed."


def _shown(value: Any) -> str:
    return repr(value[:50]) if isinstance(value, str) else type(value).__name__

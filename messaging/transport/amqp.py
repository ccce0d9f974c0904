# kombu and amqp have no types.
# mypy: disable-error-code="no-untyped-call,misc,no-any-return"
"""kombu's AMQP transport, which checks each message's frame before it opens the message (`messaging/transport/frames.py`).

amqp parses a message's properties where no caller can catch an error: an invalid timestamp ends the worker, and the next worker
gets the same message. So this transport removes unreadable properties, and bodies larger than a relay's.
"""

from collections.abc import Callable
from struct import pack, unpack_from
from typing import Any

from amqp import method_framing, spec
from amqp.serialization import PROPERTY_CLASSES
from kombu.transport import pyamqp

from messaging.transport import frames

#: AMQP's frame types, and the offset of a header's properties.
HEADER, BODY, PROPERTIES = 2, 3, 12
#: Properties with only a content type, which `frames.objection` rejects.
UNREADABLE = pack(">H", 1 << 15) + b"\x0aunreadable"


def frame_handler(connection: Any, callback: Any) -> Callable[[Any], bool]:
    """amqp's frame handler, without unreadable properties and oversized bodies."""
    handle = method_framing.frame_handler(connection, callback)
    oversized: dict[int, list[Any]] = {}  # channel to [bytes left, header, first piece] of its oversized message

    def on_frame(frame: tuple[int, int, Any]) -> bool:
        kind, channel, content = frame
        if kind == HEADER:
            header = _readable(bytes(content))
            size = _size(header)
            if size > frames.LARGEST_FRAME_BYTES:
                oversized[channel] = [size, header, b""]
                return False
            return handle((kind, channel, header))
        if kind == BODY and channel in oversized:
            left = oversized[channel]
            left[0] -= len(content)
            left[2] = left[2] or bytes(content[: frames.KEPT_BYTES])
            if left[0] > 0:
                return False
            _, header, piece = oversized.pop(channel)
            handle((HEADER, channel, header[:4] + pack(">Q", len(piece)) + UNREADABLE))
            return handle((BODY, channel, piece))
        return handle(frame)

    return on_frame


def _size(header: bytes) -> int:
    return int(unpack_from(">Q", header, 4)[0])


def _readable(header: bytes) -> bytes:
    """The header, without its properties if they can't be read."""
    try:
        PROPERTY_CLASSES[spec.Basic.CLASS_ID](header, PROPERTIES)
    except Exception:  # any sender's bytes: struct.error, OverflowError, RecursionError, FrameSyntaxError …
        return header[:PROPERTIES] + UNREADABLE
    return header


class Message(pyamqp.Message):
    """A message with the reason, if any, why it must not be opened."""

    def __init__(self, msg: Any, channel: Any = None, **kwargs: Any) -> None:
        properties = msg.properties
        headers = properties.get("application_headers") or {}
        self.queue: str = channel.queues.get(msg.delivery_info.get("consumer_tag"), "")
        self.refused = frames.objection(properties.get("content_type"), properties.get("content_encoding"), headers)
        if self.refused:
            properties["application_headers"] = {}  # or kombu would decompress the body
        msg.body = bytes(msg.body or b"")  # amqp gives an empty body as str
        super().__init__(msg, channel=channel, **kwargs)


class Channel(pyamqp.Channel):
    Message = Message

    def __init__(self, connection: Any, channel_id: Any = None, auto_decode: bool = True, on_open: Any = None) -> None:
        # Without auto_decode amqp doesn't decode the body by the message's own encoding.
        super().__init__(connection, channel_id, auto_decode=False, on_open=on_open)
        #: By the consumer's tag.
        self.queues: dict[str, str] = {}

    def basic_consume(self, queue: str = "", consumer_tag: str = "", *args: Any, **kwargs: Any) -> Any:
        self.queues[consumer_tag] = queue
        return super().basic_consume(queue, consumer_tag, *args, **kwargs)


class Connection(pyamqp.Connection):
    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, frame_handler=frame_handler, **kwargs)


class Transport(pyamqp.Transport):
    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    Connection = Connection

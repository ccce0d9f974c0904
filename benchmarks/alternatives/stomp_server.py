"""CoilMQ with its STOMP 1.2 corrected. It accepts no host but this machine's full name, requires headers of ACK and UNSUBSCRIBE
that 1.2 doesn't have, and ends the connection if a frame's headers come in two pieces. `python -m
benchmarks.alternatives.stomp_server PORT`.

Topics deliver each message at once and need no acknowledgement, which makes it faster than RabbitMQ's plugin can be.
"""

import socket
import sys
from typing import Any

from coilmq.protocol import adaptor, negotiate
from coilmq.protocol.version import Version
from coilmq.queue import QueueManager
from coilmq.server import socket_server
from coilmq.server.socket_server import ThreadedStompServer
from coilmq.store.memory import MemoryQueue
from coilmq.topic import TopicManager
from coilmq.util.frames import BodyNotTerminated, FrameBuffer


class Stomp12(adaptor.STOMP12):  # type: ignore[misc]
    def connect(self, frame: Any, response: Any = None) -> None:
        frame.headers["host"] = socket.getfqdn()
        super().connect(frame, response)

    def ack(self, frame: Any) -> None:
        """Do nothing, because only topics are used here."""

    def unsubscribe(self, frame: Any) -> None:
        """Do nothing: CoilMQ can't find a subscription by its id, and closing the connection ends it."""


class Pieces(FrameBuffer):  # type: ignore[misc]
    """Joins the pieces of a frame, because TCP may split it anywhere."""

    def extract_frame(self) -> Any:
        self._buffer.seek(self._pointer)
        coming = self._buffer.read().lstrip(b"\r\n")
        if coming and b"\n\n" not in coming.replace(b"\r\n", b"\n"):
            return None
        try:
            return super().extract_frame()
        except BodyNotTerminated:
            self._buffer.seek(0, 2)
            return None


def main() -> None:
    socket_server.FrameBuffer = Pieces
    negotiate.SUPPORTED_VERSIONS[Version(1, 2)] = Stomp12
    server = ThreadedStompServer(
        ("127.0.0.1", int(sys.argv[1])), queue_manager=QueueManager(store=MemoryQueue()), topic_manager=TopicManager()
    )
    server.serve_forever()


if __name__ == "__main__":
    main()

"""CoilMQ, with its STOMP 1.2 put right: it takes no host but this machine's full name, and asks an ACK and an UNSUBSCRIBE for
headers that 1.2 doesn't have. And a frame whose headers come in two pieces ends its connection.
`python -m benchmarks.alternatives.stomp_server PORT`.

Topics hand each message on at once and need no acknowledgement, which is more than RabbitMQ's plugin may do.
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
        """Only topics are used here."""

    def unsubscribe(self, frame: Any) -> None:
        """Nor does it find a subscription by its id; a connection that closes ends its own."""


class Pieces(FrameBuffer):  # type: ignore[misc]
    """TCP cuts frames where it likes: a frame is read when all of it is there."""

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

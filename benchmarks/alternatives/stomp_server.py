"""CoilMQ, with its STOMP 1.2 put right: it takes no host but this machine's full name, and asks an ACK and an UNSUBSCRIBE for
headers that 1.2 doesn't have. `python -m benchmarks.alternatives.stomp_server PORT`.

Topics hand each message on at once and need no acknowledgement, which is more than RabbitMQ's plugin may do.
"""

import socket
import sys
from typing import Any

from coilmq.protocol import adaptor, negotiate
from coilmq.protocol.version import Version
from coilmq.queue import QueueManager
from coilmq.server.socket_server import ThreadedStompServer
from coilmq.store.memory import MemoryQueue
from coilmq.topic import TopicManager


class Stomp12(adaptor.STOMP12):  # type: ignore[misc]
    def connect(self, frame: Any, response: Any = None) -> None:
        frame.headers["host"] = socket.getfqdn()
        super().connect(frame, response)

    def ack(self, frame: Any) -> None:
        """Only topics are used here."""

    def unsubscribe(self, frame: Any) -> None:
        """Nor does it find a subscription by its id; a connection that closes ends its own."""


def main() -> None:
    negotiate.SUPPORTED_VERSIONS[Version(1, 2)] = Stomp12
    server = ThreadedStompServer(
        ("127.0.0.1", int(sys.argv[1])), queue_manager=QueueManager(store=MemoryQueue()), topic_manager=TopicManager()
    )
    server.serve_forever()


if __name__ == "__main__":
    main()

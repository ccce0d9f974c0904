"""A STOMP broker: RabbitMQ with its plugin if it answers on the usual port, else CoilMQ in a process of the benchmark."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import amqp

from benchmarks.processes import PATIENCE, free_port, running

USUAL = 61613


@contextmanager
def stomp_broker(queue: str) -> Iterator[tuple[str, int]]:
    """Yield (name, port). Deletes `queue` from a broker that keeps running."""
    if _answers(USUAL):
        try:
            yield "RabbitMQ", USUAL
        finally:
            _delete(queue, f"DLQ.{queue}")
        return
    port = free_port()
    with running(("-m", "benchmarks.alternatives.stomp_server", str(port))):
        deadline = time.monotonic() + PATIENCE
        while not _answers(port):
            if time.monotonic() > deadline:
                raise SystemExit("CoilMQ didn't start.")
            time.sleep(0.1)
        yield "CoilMQ", port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _delete(*queues: str) -> None:
    with amqp.Connection("127.0.0.1:5672", "guest", "guest") as connection:
        for queue in queues:
            connection.channel().queue_delete(queue)

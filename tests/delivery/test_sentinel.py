"""Redis behind Sentinel: frames are looked at there too, and a message that is given back comes again."""

import json
import socket
import subprocess
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from kombu import Consumer, Producer

from config.broker import embedded_server
from config.runner.broker_server import tethered
from messaging.transport import frames
from messaging.transport.broker import Connection
from messaging.transport.queues import queue
from tests.delivery.test_delivery import PATIENCE
from tests.probes import wait_for

pytestmark = pytest.mark.skipif(embedded_server() is None, reason="no Valkey wheel fits this machine")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def sentinel(tmp_path):
    """A server, and a sentinel that knows it as `main`; returns the port of the sentinel."""
    port, watching = free_port(), free_port()
    common = ["--bind", "127.0.0.1", "--dir", tmp_path]
    (tmp_path / "sentinel.conf").write_text(f"sentinel monitor main 127.0.0.1 {port} 1\n")
    commands = [
        [embedded_server(), "--port", port, *common, "--save", ""],
        [embedded_server(), tmp_path / "sentinel.conf", "--sentinel", "--port", watching, *common],
    ]
    with ExitStack() as running, (tmp_path / "log").open("ab") as log:
        for command in commands:
            process = subprocess.Popen(tethered(*map(str, command)), stdin=subprocess.PIPE, stdout=log, stderr=log)
            running.enter_context(process)
            running.callback(process.terminate)

        def knows_it():
            try:
                with redis.Redis(port=port) as server, redis.Redis(port=watching) as guard:
                    return server.ping() and guard.sentinel_master("main")["is_master"]
            except redis.RedisError:
                return False

        wait_for(knows_it, timeout=PATIENCE, what="the sentinel to know the server", seen=(tmp_path / "log").read_text)
        yield watching


def test_what_no_relay_sends_is_not_opened_and_what_is_behind_it_arrives(sentinel):
    taken: list[Any] = []
    with Connection(f"sentinel://127.0.0.1:{sentinel}/0", transport_options={"master_name": "main"}) as connection:
        channel = connection.default_channel
        bound = queue("billing").bind(channel)
        bound.declare()
        Producer(channel).publish({"number": 1}, routing_key="billing", exchange="", compression="gzip")
        channel.client.lpush("billing", json.dumps({"no": "frame"}), b"x" * (frames.LARGEST_FRAME_BYTES + 1))
        Producer(channel).publish({"number": 2}, routing_key="billing", exchange="")
        with Consumer(channel, [bound], on_message=taken.append, accept=["json"]):
            while len(taken) < 4:
                connection.drain_events(timeout=PATIENCE)
            assert [message.refused[:30] for message in taken] == [
                "Not opened: it is compressed (",
                "Not opened: it isn't a frame o",
                frames.frame_too_large(frames.LARGEST_FRAME_BYTES + 1)[:30],
                "",
            ]
            for message in taken[:3]:
                message.ack()
            taken.pop().reject(requeue=True)
            connection.drain_events(timeout=PATIENCE)
            assert taken.pop().payload == {"number": 2}

"""A worker's connection dies between work and acknowledgement: it must ask for the next message all the same. The embedded broker
is killed: what it confirmed is there when it is back."""

import logging
import os
import signal

import pytest
import redis
from kombu import Consumer, Message, Producer

from config.broker import socket_path
from config.runner.broker_server import start_broker, stop_broker
from messaging.transport.broker import Connection
from messaging.transport.queues import queue

log = logging.getLogger(__name__)


@pytest.mark.parametrize("settle", ["ack_log_error", "reject_log_error"])
def test_after_an_acknowledgement_that_failed_the_next_message_is_taken(valkey, monkeypatch, settle):
    with Connection(valkey, transport_options={"visibility_timeout": 5}) as connection:
        channel = connection.default_channel
        bound = queue("billing").bind(channel)
        bound.declare()
        bound.purge()
        for number in (1, 2):
            Producer(channel).publish({"number": number}, routing_key="billing", exchange="")
        taken: list[Message] = []
        with Consumer(channel, [bound], on_message=taken.append, prefetch_count=1, accept=["json"]):
            connection.drain_events(timeout=5)

            def gone(*arguments):
                raise ConnectionResetError("the broker is gone")

            with monkeypatch.context() as patch:
                patch.setattr(redis.Redis, "eval", gone)
                getattr(taken[0], settle)(log, connection.connection_errors)
            assert taken[0].acknowledged is False
            try:
                connection.drain_events(timeout=5)
            except TimeoutError as error:
                raise AssertionError("It waits for ever, with one message in hand that it can't acknowledge.") from error
            assert [message.payload["number"] for message in taken] == [1, 2]
            taken[1].ack()


def test_what_the_embedded_broker_confirmed_outlives_its_kill(tmp_path):
    first, _ = start_broker(tmp_path)
    try:
        with redis.Redis(unix_socket_path=str(socket_path(tmp_path))) as client:
            # A kill alone doesn't show the difference: it takes a slow disk (decision 0003).
            assert client.config_get("appendfsync") == {"appendfsync": "always"}
            confirmed = [client.lpush("messages", number) for number in range(200)][-1]
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
    finally:
        stop_broker(first)
    again, _ = start_broker(tmp_path)
    try:
        with redis.Redis(unix_socket_path=str(socket_path(tmp_path))) as client:
            assert client.llen("messages") == confirmed == 200
    finally:
        stop_broker(again)

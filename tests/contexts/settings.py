"""The project with one more context, which the project doesn't know: `CONTEXTS=notifications` is a deployment of it.

A project needs no more for a context than this: a row in `config/contexts.py`, and two lines of `MESSAGING`.
"""

from typing import Any, cast

from config.contexts import CONTEXTS, Context

CONTEXTS["notifications"] = Context(
    "notifications",
    "tests.contexts.notifications.apps.NotificationsConfig",
    "NOTIFICATIONS_DATABASE_URL",
    "notifications.sqlite3",
    "tests.contexts.notifications.urls",
)

from config.settings import *  # noqa: E402, F403  (it reads the contexts)
from config.settings import MESSAGING as _MESSAGING  # noqa: E402

OURS = cast("dict[str, Any]", _MESSAGING)
MESSAGING = {
    **OURS,
    "HANDLERS": {"notifications": "tests.contexts.notifications.handlers.HANDLERS"},
    "CACHES": {"notifications": "tests.contexts.notifications.caches.CACHES"},
}

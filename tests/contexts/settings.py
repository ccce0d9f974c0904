"""The project with one context more, which nothing in the project knows of: `CONTEXTS=notifications` is a deployment of it.

What is here is all that a project says of a context: its row in `config/contexts.py`, and two lines of `MESSAGING`.
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
    "HANDLERS": {**OURS["HANDLERS"], "notifications": "tests.contexts.notifications.handlers.HANDLERS"},
    "CACHES": {**OURS["CACHES"], "notifications": "tests.contexts.notifications.caches.CACHES"},
}

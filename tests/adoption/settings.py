"""The project with two contexts that it doesn't know: `accounts`, in the database of Django's own tables, and `mail_room2`."""

from typing import Any, cast

from config.contexts import CONTEXTS, Context

CONTEXTS.clear()
CONTEXTS["accounts"] = Context(
    "accounts",
    "tests.adoption.accounts.apps.AccountsConfig",
    "DATABASE_URL",
    "django.sqlite3",
    "tests.adoption.accounts.urls",
    database="default",
)
CONTEXTS["mail_room2"] = Context(
    "mail_room2",
    "tests.adoption.mail_room2.apps.MailRoomConfig",
    "BILLING_DATABASE_URL",
    "mail.sqlite3",
    "tests.adoption.mail_room2.urls",
)

from config.settings import *  # noqa: E402, F403  (it reads the contexts)
from config.settings import MESSAGING as _MESSAGING  # noqa: E402
from tests.signing import INSTALLED  # noqa: E402

MESSAGING = {
    **cast("dict[str, Any]", _MESSAGING),
    "HANDLERS": {name: f"tests.adoption.{name}.handlers.HANDLERS" for name in CONTEXTS},
    "FEEDS": {
        "accounts": "tests.adoption.accounts.feed.USERS",
        "accounts_badges": ("accounts", "tests.adoption.accounts.feed.BADGES"),
    },
    "CACHES": {"mail_room2": "tests.adoption.mail_room2.caches.CACHES"},
    "SPLITS": {},
}
if not INSTALLED:
    MESSAGING["SIGNING"] = False
SECURE_SSL_REDIRECT = False  # the tests' server speaks HTTP

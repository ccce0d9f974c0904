"""Settings of the shop. A module of the exercise's files, such as `handlers.py`, replaces the shop's module of that name."""

import os
from pathlib import Path
from typing import Any

SHOP = "walkthrough.exercises.shop"
#: Where the databases of this check are.
FOLDER = Path(os.environ["EXERCISE_DATABASES"])
#: The modules of the exercise's files, which can be imported by their names.
OWN = {path.stem for path in Path(os.environ["EXERCISE_FILES"]).glob("*") if path.suffix == ".py" or path.is_dir()}

SECRET_KEY = "for-exercises-only"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = f"{SHOP}.urls"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_outbox_pattern",
    "messaging",
    f"{SHOP}.users",
    f"{SHOP}.billing",
    *(["orders"] if "orders" in OWN else []),
]


def _database(name: str) -> dict[str, Any]:
    options = {"transaction_mode": "IMMEDIATE", "timeout": 5, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / f"{name}.sqlite3", "OPTIONS": options}


DATABASES = {name: _database(name) for name in ("default", "users", "billing")}
DATABASE_ROUTERS = ["messaging.database.router.ContextRouter"]


def _module(name: str, context: str) -> str:
    return name if name in OWN else f"{SHOP}.{context}.{name}"


MESSAGING = {
    "CONTEXTS": {"users": {"database": "users"}, "billing": {"database": "billing"}},
    "FEEDS": {
        "users": f"{_module('feed', 'users')}.FEED",
        "billing": None,
    },
    "HANDLERS": {"users": "", "billing": f"{_module('handlers', 'billing')}.HANDLERS"},
    "CACHES": {"users": "", "billing": f"{_module('caches', 'billing')}.CACHES"},
    "API_URL": lambda context: os.environ.get("EXERCISE_API_URL", ""),
    "FOLDER": FOLDER,
    "BROKER_URL": "memory://",
    "SIGNING": False,
}

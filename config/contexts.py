"""The bounded contexts of the project, and those that this process runs.

A context's name is also the name of its queue and the first word of its event types.
"""

import os
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Context:
    """A bounded context: one Django app, one database, one queue."""

    name: str
    app: str  #: Its Django app.
    database_variable: str  #: The environment variable with its database's URL.
    database_file: str  #: Its SQLite file under `var/` if that variable is unset.
    urls: str  #: The module with its API's URLs.
    delivers: bool = True  #: True if it has a relay and a worker. The monolith has neither: consumers pull from its feed.
    pages: str = ""  #: A module of URLs for people, available with the walkthrough.
    database: str = ""  #: Its database's alias, by default its name.

    @property
    def alias(self) -> str:
        return self.database or self.name


CONTEXTS = {
    "users": Context("users", "users.apps.UsersConfig", "USERS_DATABASE_URL", "users.sqlite3", "users.api.urls"),
    "billing": Context("billing", "billing.apps.BillingConfig", "BILLING_DATABASE_URL", "billing.sqlite3", "billing.api.urls"),
    "monolith": Context(
        "monolith",
        "monolith.apps.MonolithConfig",
        "MONOLITH_DATABASE_URL",
        "monolith.sqlite3",
        "monolith.urls",
        delivers=False,
        pages="monolith.pages",
    ),
}


def chosen() -> list[Context]:
    """Return the contexts that this process runs: those in `CONTEXTS`, separated by commas, or all."""
    text = os.environ.get("CONTEXTS", "").strip()
    named = [name.strip() for name in text.split(",") if name.strip()]
    names = named if text else list(CONTEXTS)
    unknown = [name for name in names if name not in CONTEXTS]
    if unknown:
        raise ImproperlyConfigured(f"Unknown in CONTEXTS: {', '.join(unknown)}. Use some of {', '.join(CONTEXTS)}.")
    return [CONTEXTS[name] for name in dict.fromkeys(names)]

"""The bounded contexts, and which of them this process is.

One row per context: its Django app, its database and its entry in the URLs. A context's name is also its queue and the first
word of its event types.
"""

import os
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Context:
    """A bounded context: one Django app, one database, one queue. `delivers`: whether it takes and sends events, by a relay and a
    worker; the monolith doesn't, others follow its feed. `pages`: a module of URLs for people, shown beside the walkthrough.
    `database`: the alias of its database; its name where none is given."""

    name: str
    app: str
    database_variable: str
    database_file: str
    urls: str
    delivers: bool = True
    pages: str = ""
    database: str = ""

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
    """The contexts that this process is: all, or those that `CONTEXTS` lists, comma-separated."""
    text = os.environ.get("CONTEXTS", "").strip()
    named = [name.strip() for name in text.split(",") if name.strip()]
    names = named if text else list(CONTEXTS)
    unknown = [name for name in names if name not in CONTEXTS]
    if unknown:
        raise ImproperlyConfigured(f"CONTEXTS names {', '.join(unknown)}, which is not a context. Known: {', '.join(CONTEXTS)}.")
    return [CONTEXTS[name] for name in dict.fromkeys(names)]

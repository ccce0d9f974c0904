"""Where a fault can be seen: pages and commands, with their links."""

from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True)
class Place:
    """A page (the name of its URL), or a command."""

    title: str
    url: str = ""
    fragment: str = ""

    def address(self, user: str = "") -> str:
        """The page's address; empty for a command. `user`: whose story the lab shows."""
        if not self.url:
            return ""
        query = f"?user={user}" if self.fragment and user else ""
        return f"{reverse(self.url)}{query}{f'#{self.fragment}' if self.fragment else ''}"


@dataclass(frozen=True)
class Sign:
    """What can be seen, and where."""

    text: str
    place: Place


#: Where to look, for every mystery the same.
PLACES = {
    "story": Place("The user's story", "walkthrough:lab", "timeline"),
    "page": Place("Side by side", "walkthrough:page"),
    "lab": Place("The lab", "walkthrough:lab"),
    "users": Place("users: users", "admin:users_user_changelist"),
    "ledger": Place("users: ledger", "admin:users_ledgerentry_changelist"),
    "outbox": Place("users: outbox", "admin:users_outbox_changelist"),
    "consumers": Place("users: consumers", "admin:users_consumer_changelist"),
    "inbox": Place("billing: inbox", "admin:billing_inbox_changelist"),
    "copy": Place("billing: cached users", "admin:billing_cacheduser_changelist"),
    "invoices": Place("billing: invoices", "admin:billing_invoice_changelist"),
    "parked": Place("billing: parked", "admin:billing_parkedmessage_changelist"),
    "incidents": Place("billing: incidents", "admin:billing_incident_changelist"),
    "status": Place("manage.py status"),
    "reconcile": Place("manage.py reconcile billing --from users"),
    "republish": Place("manage.py republish users --dry-run"),
    "register": Place("manage.py consumers list"),
}

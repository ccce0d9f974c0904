"""The parts of the picture in the order of the road, and where a reader finds more about each."""

from dataclasses import dataclass

from django.urls import reverse

from walkthrough.observe import glossary

STORE, PROGRAM = "store", "program"


@dataclass(frozen=True)
class Part:
    """`short` is the name where there is little room. `word`: its entry in the glossary. `admin`: a page of the admin and what it
    lists. `source`: the file to read."""

    key: str
    name: str
    kind: str
    word: str
    admin: str
    lists: str
    source: str
    short: str = ""

    @property
    def admin_address(self) -> str:
        return reverse(f"admin:{self.admin}_changelist")

    @property
    def meaning(self) -> str:
        """The glossary's sentence."""
        return glossary.meanings(self.word)[0][1]

    @property
    def glossary_address(self) -> str:
        return f"{reverse('walkthrough:glossary')}#{glossary.anchor(self.word)}"

    @property
    def source_address(self) -> str:
        return reverse("walkthrough:flow-source", args=[self.key])


PARTS = {
    part.key: part
    for part in (
        Part("people", "users", STORE, "monolith", "monolith_user", "The monolith's users", "monolith/models.py"),
        Part("bills", "invoices", STORE, "monolith", "monolith_invoice", "The monolith's invoices", "monolith/models.py"),
        Part("rows", "rows", STORE, "rows", "users_user", "The users", "users/models.py"),
        Part("ledger", "ledger", STORE, "ledger", "users_ledgerentry", "The ledger's entries", "messaging/ledger/ledger.py"),
        Part("outbox", "outbox", STORE, "outbox", "users_outbox", "The events of users", "messaging/publisher/outbox.py"),
        Part("relay", "relay", PROGRAM, "relay", "users_consumer", "The consumers it sends to", "messaging/publisher/relay.py"),
        Part("queue", "queue", STORE, "queue", "users_consumer", "The consumers and their queues", "messaging/transport/queues.py"),
        Part("worker", "worker", PROGRAM, "worker", "billing_parkedmessage", "Messages it parked", "messaging/consumer/inbox.py"),
        Part("inbox", "inbox", STORE, "inbox", "billing_inbox", "The events billing received", "messaging/consumer/inbox.py"),
        Part("copy", "copy", STORE, "copy", "billing_cacheduser", "Billing's copies of users", "billing/caches.py"),
        Part("invoices", "invoices", STORE, "aggregate", "billing_invoice", "Billing's invoices", "billing/models.py"),
        Part("api", "API", PROGRAM, "feed", "users_consumer", "The consumers and their tokens", "messaging/publisher/pages.py"),
        Part("tend", "tend", PROGRAM, "sync process", "billing_incident", "Billing's incidents", "messaging/replica/sync.py"),
        Part(
            *("comparison", "fingerprints", STORE, "comparison", "billing_authority", "Billing's copies and their last comparison"),
            *("messaging/replica/compare.py", "compare"),
        ),
    )
}

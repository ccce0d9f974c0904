"""Billing's invoices and their copy at `users`, in one process: changes, and every way by which they reach the copy or don't."""

import random
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.db import connections, transaction
from django_outbox_pattern.models import Published

from billing import events
from billing.models import Invoice
from messaging.celery import app
from messaging.consumer import handlers, inbox
from messaging.ledger import sequencer
from messaging.models import Consumer, Ledger, Subscription
from messaging.publisher import claim, consumers, payloads, record, relay
from messaging.replica import bootstrap, compare, pull, repair
from messaging.replica.replica import Replica
from messaging.settings import context
from users.models import CachedInvoice, User
from users.services import user_reactivate, user_register

BILLING = context("billing").alias
TABLES = {
    "users": ("users_cachedinvoice", "users_user"),
    "billing": ("billing_invoice",),
}
PLUMBING = (
    *("published", "received", "messaging_consumer", "messaging_subscription", "messaging_sequence", "messaging_mark"),
    *("messaging_incident", "messaging_repair", "messaging_parked", "messaging_ledger"),
)
FACTS = {"period": "2026-11", "amount_minor": 1900, "currency": "EUR", "user_version": 1, "review_reason": ""}


def register() -> Consumer:
    """Register `users` with billing, for what it reads."""
    types, fields = handlers.wanted("users", "billing") or ([], [])
    return consumers.register_consumer(authority="billing", name="users", types=types, fields=fields)


def replica() -> Replica:
    return Replica.of("users", "billing")


def subscription() -> Subscription:
    return replica().subscription()


def empty() -> None:
    """Empty both contexts, and register `users` again."""
    for alias, tables in TABLES.items():
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            for table in (*tables, *PLUMBING):  # the ledger last, because triggers note deletions
                cursor.execute(f'DELETE FROM "{table}"')
    register()


def announce(invoice: Invoice, kind: type[events.InvoiceFacts]) -> None:
    facts = {name: getattr(invoice, name) for name in events.InvoiceFacts.model_fields}
    record(kind(**facts), subject=invoice.pk, using="billing")


def issue(*, silent: bool = False, status: str = "issued") -> Invoice:
    """Issue an invoice to a new user; `silent`: no event is recorded."""
    user = user_register(email=f"{uuid.uuid4().hex}@example.org", name="Ada")
    with transaction.atomic(using="billing"):
        invoice = Invoice.objects.using("billing").create(
            user_id=user.pk, status=status, issued_at=datetime(2026, 11, 1, tzinfo=UTC), **FACTS
        )
        if not silent:
            announce(invoice, events.InvoiceIssued)
    return invoice


def change(
    invoice: Invoice, *, silent: bool = False, kind: type[events.InvoiceFacts] = events.InvoiceOverdue, **values: Any
) -> None:
    """Change an invoice, by default to overdue; `silent`: no event is recorded."""
    values = values or {"status": "overdue"}
    with transaction.atomic(using="billing"):
        Invoice.objects.using("billing").filter(pk=invoice.pk).update(**values)
        if not silent:
            announce(Invoice.objects.using("billing").get(pk=invoice.pk), kind)


def sent() -> list[dict[str, Any]]:
    """Take the waiting events out of billing's outbox, each as `users` gets it."""
    sequencer.stamp_pending(BILLING)
    with transaction.atomic(using="billing"):
        good, _ = claim.claim(BILLING, "billing", relay.BATCH_ROWS)
    entry = Consumer.objects.using("billing").get(name="users")
    return [event for message in payloads.messages(good, entry) for event in message]


def receive(*found: dict[str, Any]) -> Any:
    return inbox.receive("users", list(found), publishers=["billing"])


def catch_up() -> None:
    """Pull like the sync process."""
    pull.catch_up(replica())


def fill(*, anew: bool = False) -> str:
    """Fill the copy by a bootstrap; `anew`: from the beginning of the feed, into the rows that are there. Returns the verdict."""
    if anew:
        consumers.open_bootstrap(authority="billing", name="users", ttl=None)
        fields = {"state": "new", "checkpoint": 0, "ahead": [], "bootstrap_head": None, "marks": None, "doubt": "", "floor": 0}
        Subscription.objects.using("users").update(**fields)
    return bootstrap.bootstrap(replica(), app).verdict


def mend() -> None:
    """Compare and repair like `reconcile --repair --authority-wins`."""
    copy = replica()
    with copy.connected():
        repair.repair(copy, compare.compare(copy), authority_wins=True, by="test")


def suspensions() -> Counter[str]:
    """How often each user was suspended."""
    told = Published.objects.using("users").filter(destination="users.user.suspended.v1")
    return Counter(body["subject"] for body in told.values_list("body", flat=True))


def reactivate_all() -> None:
    """Reactivate every suspended user, by hand."""
    for user in User.objects.using("users").filter(status="suspended"):
        user_reactivate(user_id=user.pk)


class World:
    """One story, and what it has to end in. Each invoice has a user of its own, who is reactivated right after each suspension."""

    def __init__(self, seed: int) -> None:
        empty()
        self.chance = random.Random(seed)
        self.invoices: list[Invoice] = []
        self.moves: Counter[str] = Counter()  #: by user, how often the invoice moved to overdue
        self.excused: set[str] = set()  #: users whose move a bootstrap's snapshot may hold
        self.queue: list[dict[str, Any]] = []
        self.archive: list[dict[str, Any]] = []
        fill()

    def issue(self) -> None:
        self.invoices.append(issue(silent=self.chance.random() < 0.2))

    def import_one(self) -> None:
        """An invoice comes into billing's table as overdue. It never moved."""
        issue(silent=True, status="overdue")

    def overdue(self) -> None:
        self._change("issued", "overdue", events.InvoiceOverdue)

    def paid(self) -> None:
        self._change("overdue", "issued", events.InvoiceIssued)

    def _change(self, before: str, after: str, kind: type[events.InvoiceFacts]) -> None:
        found = [invoice for invoice in self.invoices if self.now(invoice).status == before]
        if found:
            invoice = self.chance.choice(found)
            change(invoice, silent=self.chance.random() < 0.3, kind=kind, status=after)
            self.moves[str(invoice.user_id)] += after == "overdue"

    def flag(self) -> None:
        if self.invoices:
            change(self.chance.choice(self.invoices), kind=events.InvoiceFlagged, review_reason=f"{self.chance.random()}")

    def send(self) -> None:
        new = sent()
        self.queue += new
        self.archive += new

    def deliver(self) -> None:
        """A message of some events arrives, in any order; some of them stay, to come again."""
        some = self.chance.sample(self.queue, min(len(self.queue), self.chance.randint(1, 4)))
        receive(*some)
        self.queue = [event for event in self.queue if event not in some or self.chance.random() < 0.2]

    def lose(self) -> None:
        self.send()
        self.queue.clear()

    def replay(self) -> None:
        self.queue += self.archive

    def pull(self) -> None:
        catch_up()

    def bootstrap(self) -> None:
        fill()

    def bootstrap_anew(self) -> None:
        """Into the rows that are there, or none. The snapshot holds every move that hasn't arrived yet."""
        self.excused |= set(self.moves)
        if self.chance.random() < 0.5:
            CachedInvoice.objects.using("users").all().delete()
        fill(anew=True)

    def repair(self) -> None:
        mend()

    def damage(self) -> None:
        """Rows of the copy are deleted or tampered with, and repaired. Nothing of these invoices is on its way."""
        checkpoint = subscription().checkpoint
        for invoice in self.invoices:
            place = Ledger.objects.using("billing").get(aggregate_id=str(invoice.pk)).position
            if place is None or place > checkpoint:
                continue
            row = CachedInvoice.objects.using("users").filter(pk=invoice.pk)
            match self.chance.randrange(3):
                case 0:
                    row.delete()
                case 1:
                    row.update(status="issued" if row.get().status == "overdue" else "overdue")
                case 2:
                    row.update(version=99)
        mend()

    @staticmethod
    def now(invoice: Invoice) -> Invoice:
        return Invoice.objects.using("billing").get(pk=invoice.pk)

    def check(self) -> None:
        """Nobody was suspended more often than their invoice moved."""
        reactivate_all()
        assert not suspensions() - self.moves, f"suspended {suspensions()}, moved {self.moves}"

    def end(self) -> None:
        """The sync process pulls what is missing. Then each first move has suspended its user, and nothing suspends again."""
        self.pull()
        self.check()
        times = suspensions()
        for invoice in self.invoices:
            user = str(invoice.user_id)
            if self.moves[user] == 1 and self.now(invoice).status == "overdue" and user not in self.excused:
                assert times[user] == 1, f"{user} was never suspended"
        assert compare.compare(replica()).verdict == "in_sync"
        for step in (self.damage, self.send, self.replay, self.deliver, self.deliver, self.bootstrap_anew, self.damage, self.pull):
            step()
            reactivate_all()
        assert suspensions() == times

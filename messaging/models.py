"""The plumbing's tables. Every context has them all, in its own database; which alias is always said by the caller.

The outbox and the inbox themselves are the tables `published` and `received` of django-outbox-pattern.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.base import ModelBase
from django_outbox_pattern.models import Published, Received

from messaging.events import title


class Ledger(models.Model):
    """One row per aggregate: how often it changed, how far that was announced, and where in the feed its last change is.

    A database trigger writes it (`messaging/ledger/ledger.py`), so that it moves however the aggregate's row was written.
    """

    aggregate = models.CharField(max_length=100, help_text="The model, as Django labels it: users.user.")
    aggregate_id = models.CharField(max_length=100, help_text="The primary key, spelled as events spell their subject.")
    version = models.BigIntegerField(help_text="+1 at every write.")
    announced_version = models.BigIntegerField(default=0, help_text="The highest version that an event was recorded for.")
    position = models.BigIntegerField(null=True, unique=True, help_text="Place in the feed; empty until it is stamped.")
    deleted = models.BooleanField(default=False, help_text="A tombstone: the row was erased or deleted.")
    erased = models.BooleanField(
        default=False, db_default=False, help_text="It was erased. It stays a tombstone, whatever is written later."
    )
    changed_at = models.DateTimeField(help_text="When the last change was written, by the database's clock.")

    class Meta:
        verbose_name = "ledger entry"
        verbose_name_plural = "ledger entries"
        # The id first: with the label first, which all rows share, PostgreSQL reads all of them to find a few hundred.
        constraints = [models.UniqueConstraint(fields=["aggregate_id", "aggregate"], name="messaging_ledger_aggregate")]
        indexes = [
            models.Index(fields=["changed_at", "id"], condition=Q(position__isnull=True), name="messaging_ledger_pending"),
            models.Index(
                fields=["aggregate", "id"], condition=Q(version__gt=F("announced_version")), name="messaging_ledger_unannounced"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.aggregate} {self.aggregate_id} v{self.version}"


class Sequence(models.Model):
    """The head of this authority's feed: one row, and the lock that stamping takes."""

    head = models.BigIntegerField(default=0, help_text="The last position that was given out.")
    floor = models.BigIntegerField(
        default=0, help_text="Tombstones up to here may be gone, so a reader who stopped below it has to bootstrap."
    )

    def __str__(self) -> str:
        return f"up to {self.head}"


class Mark(models.Model):
    """A stamping round's mark (`messaging.ledger.marks`): positions `first` to `position` were given out with it."""

    position = models.BigIntegerField(primary_key=True, help_text="The last position of the round.")
    first = models.BigIntegerField(help_text="Its first position.")
    mark = models.CharField(max_length=16, help_text="Random: no other history has it.")
    previous = models.CharField(max_length=16, blank=True, help_text="The mark of the round before it.")

    def __str__(self) -> str:
        return f"{self.mark} up to {self.position}"


class Consumer(models.Model):
    """A registered reader of this authority. The register decides who gets a copy of which events, with which fields, and what
    retention may delete: one that never reported a checkpoint is infinitely behind, not absent."""

    name = models.CharField(max_length=50, primary_key=True)
    queue = models.CharField(max_length=50, blank=True, help_text="The queue that its copies go to; empty: it only pulls.")
    types = models.JSONField(default=list, help_text="Event types it gets.")
    fields = models.JSONField(default=list, help_text="Fields of `data` that its copies hold; nothing else leaves.")
    feeds = models.JSONField(default=list, blank=True, help_text="Feeds that it reads; empty: the context's main one.")
    owners = models.JSONField(default=list, blank=True, help_text="E-mail addresses that hear of repairs.")
    staleness_seconds = models.PositiveIntegerField(default=900, help_text="How old its copy may be for its decisions.")
    registered_at = models.DateTimeField(auto_now_add=True)
    token_hash = models.CharField(max_length=64, blank=True, editable=False, help_text="SHA-256 of its token.")
    token_expires_at = models.DateTimeField(null=True, blank=True)
    bootstrap_open = models.BooleanField(default=True, help_text="Whether it may read the feed from the beginning.")
    bootstrap_closes_at = models.DateTimeField(
        null=True, blank=True, help_text="When that ends by itself; empty: with its success."
    )
    bootstrapped_to = models.BigIntegerField(
        default=0, help_text="The position at which it last went live. Below it the feed is closed while bootstrap is."
    )
    grant = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Random: which opening of its bootstrap was the last; empty: the registration.",
    )
    checkpoint = models.BigIntegerField(null=True, blank=True, help_text="The last checkpoint that it reported; empty: none yet.")
    reported_at = models.DateTimeField(null=True, blank=True, help_text="When it reported it.")
    marks = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Whether it knows of marks, so heartbeats carry them."
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["token_hash"], condition=~Q(token_hash=""), name="messaging_consumer_token"),
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A consumer's own record of one authority: how far it got, and what came of what arrived."""

    class State(models.TextChoices):
        NEW = "new", "New"
        BOOTSTRAPPING = "bootstrapping", "Bootstrapping"
        LIVE = "live", "Live"
        PAUSED = "paused", "Paused"
        UNREACHABLE = "unreachable", "Authority unreachable"

    authority = models.CharField(max_length=50, primary_key=True)
    state = models.CharField(max_length=15, choices=State.choices, default=State.NEW)
    checkpoint = models.BigIntegerField(default=0, help_text="Everything up to this position is applied.")
    ahead = models.JSONField(default=list, help_text="Ranges [first, last] applied beyond the checkpoint, behind a hole.")
    head = models.BigIntegerField(default=0, help_text="The authority's head, as last heard.")
    behind_since = models.DateTimeField(null=True, blank=True, help_text="Since when something below the head is missing.")
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="The authority's time when the copy was last confirmed to be caught up."
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="When the authority was last heard of.")
    bootstrap_head = models.BigIntegerField(null=True, blank=True, help_text="The head that the running bootstrap reads up to.")
    grant = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The authority's grant that was the last one when this copy went live.",
    )
    floor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The authority's floor when this copy was begun from 0: what was purged up to there, it need not know.",
    )
    marks = models.JSONField(
        null=True,
        blank=True,
        help_text="[position, mark, mark before, verified] of the rounds applied.",
    )
    doubt = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="Why no decision may count this copy as fresh; empty: none.",
    )
    doubtful_since = models.DateTimeField(null=True, blank=True, help_text="Since when it is in doubt.")
    partial = models.BooleanField(default=False, help_text="Begun at the head, without the past: what is missing isn't drift.")
    owners = models.JSONField(default=list, blank=True, help_text="Who hears of repairs; from the authority's register.")
    drift = models.JSONField(null=True, blank=True, help_text="What the last comparison found, by kind.")
    compared_at = models.DateTimeField(null=True, blank=True)
    repaired_at = models.DateTimeField(null=True, blank=True)
    applied = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0, help_text="Events that had arrived before.")
    obsolete = models.BigIntegerField(default=0, help_text="Events older than what the cache already knew.")
    last_event_at = models.DateTimeField(null=True, help_text="When the last message arrived, by this context's clock.")

    class Meta:
        ordering = ["authority"]

    def __str__(self) -> str:
        return f"{self.authority} at {self.checkpoint}"


class Incident(models.Model):
    """Something that went wrong by itself and a person should know of: changes without an event, drift, an authority set back."""

    class Kind(models.TextChoices):
        SILENT = "silent", "Changes without an event"
        DRIFT = "drift", "Drift"
        RESTORED = "restored", "Set back"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    authority = models.CharField(max_length=50)
    opened_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    count = models.PositiveIntegerField(default=0, help_text="How many aggregates it is about.")
    subjects = models.JSONField(default=list, help_text="Their ids, the first 1,000.")
    summary = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.summary


class Repair(models.Model):
    """A replay, a republish or a repair by comparison: who did what, and what came of it."""

    class Kind(models.TextChoices):
        REPLAY = "replay", "Replay"
        REPUBLISH = "republish", "Republish"
        RECONCILE = "reconcile", "Reconcile"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    done_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(auto_now_add=True)
    window = models.CharField(max_length=300, blank=True, help_text="What it was asked for.")
    consumers = models.JSONField(default=list, help_text="The consumers that it touched.")
    counts = models.JSONField(default=dict)
    result = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.result}"


class Unknown(models.Model):
    """A lookup's negative answer: the authority didn't know this aggregate when it was asked."""

    authority = models.CharField(max_length=50)
    aggregate_id = models.CharField(max_length=100)
    asked_at = models.DateTimeField()

    class Meta:
        verbose_name = "unknown aggregate"
        constraints = [models.UniqueConstraint(fields=["authority", "aggregate_id"], name="messaging_unknown_once")]

    def __str__(self) -> str:
        return f"{self.aggregate_id} at {self.authority}"


class LostErasure(models.Model):
    """An erasure that a copy knows and its authority lost, by being set back to before the row. The copy keeps its tombstone."""

    authority = models.CharField(max_length=50)
    aggregate_id = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["authority", "aggregate_id"], name="messaging_lost_erasure_once")]

    def __str__(self) -> str:
        return f"{self.aggregate_id} at {self.authority}"


class Ownership(models.Model):
    """Who may write the rows of one model, in this context's database. A trigger on the model's table asks it at every write
    (`messaging.ownership.ownership`); where there is no row, everybody may."""

    class State(models.TextChoices):
        SETTLED = "settled", "Settled"
        MOVING = "moving", "Moving"

    aggregate = models.CharField(max_length=100, primary_key=True, help_text="The model, as Django labels it: users.user.")
    owner = models.CharField(max_length=50, help_text="The context whose services write it.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.SETTLED)
    until = models.DateTimeField(
        null=True, blank=True, help_text="When a write pause ends by itself, whatever becomes of the mover."
    )
    following = models.BooleanField(
        default=False, help_text="SQLite: whether the transaction that holds the lock is the follower's."
    )
    since = models.DateTimeField(auto_now_add=True, help_text="When this owner began to be it.")
    verdict = models.CharField(max_length=20, blank=True, help_text="What the last comparison of the two sides said.")
    verified_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "ownership entry"
        verbose_name_plural = "ownership entries"
        ordering = ["aggregate"]

    def __str__(self) -> str:
        return f"{self.aggregate}: {self.owner}, {self.state}"


class Lease(models.Model):
    """Who does something of which there is to be one at a time (`messaging/database/locks.py`), and until when nobody else may."""

    name = models.CharField(max_length=150, primary_key=True, help_text="The context and what is done: billing: bootstrap-users.")
    owner = models.CharField(max_length=32, help_text="A random word of the holder's.")
    machine = models.CharField(max_length=32, help_text="A random word of the holder's lock file.")
    ends = models.DateTimeField(help_text="When it ends unless it is renewed, by the database's clock.")

    def __str__(self) -> str:
        return f"{self.name} until {self.ends}"


class Parked(models.Model):
    """A message that could not be handled: waiting for its next try, or parked for a person. Never dropped."""

    class State(models.TextChoices):
        RETRYING = "retrying", "Retrying"
        PARKED = "parked", "Parked"
        APPLIED = "applied", "Applied later"
        DISCARDED = "discarded", "Discarded"

    state = models.CharField(max_length=10, choices=State.choices, default=State.PARKED)
    event_id = models.CharField(max_length=100, blank=True, db_index=True)
    event_type = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=100, blank=True)
    envelope = models.JSONField(null=True, help_text="The event as it arrived, where it was JSON.")
    raw = models.TextField(blank=True, help_text="What arrived, where it was not JSON.")
    reason = models.CharField(max_length=500, help_text="Why it could not be handled, in a sentence.")
    traceback = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=150, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="Why a person discarded it.")

    class Meta:
        verbose_name = "parked message"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="retrying"), name="messaging_parked_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'unreadable message'} ({self.state})"


#: What the admin shows of a context's plumbing: a page's name, its table's model, and what one row and several are called.
PAGES: dict[str, tuple[type[models.Model], dict[str, str]]] = {
    "Outbox": (Published, {"verbose_name": "outbox event", "verbose_name_plural": "outbox events"}),
    "Inbox": (Received, {"verbose_name": "inbox event", "verbose_name_plural": "inbox events"}),
    "ParkedMessage": (Parked, {"verbose_name": "parked message"}),
    "LedgerEntry": (Ledger, {"verbose_name": "ledger entry", "verbose_name_plural": "ledger entries"}),
    "Consumer": (Consumer, {}),
    "Authority": (Subscription, {"verbose_name": "subscription"}),
    "Incident": (Incident, {}),
    "Repair": (Repair, {}),
    "Ownership": (Ownership, {"verbose_name": "ownership entry", "verbose_name_plural": "ownership entries"}),
}
_TITLES = {"Outbox": lambda row: title(row.destination, row.body), "Inbox": lambda row: title(row.destination, row.headers)}


def make_pages(module: str, names: Iterable[str] = tuple(PAGES)) -> None:
    """Make a context's models of the plumbing's tables, one for each page of its admin. Called at the end of its `models.py`.

    They are proxies: every context has the tables in its own database, and Django's admin knows a page by its model.

    Parameters
    ----------
    module
        The context's `models` module, `__name__` there.
    names
        Which of `PAGES`.
    """
    for name in names:
        base, words = PAGES[name]
        body: dict[str, Any] = {"__module__": module, "Meta": type("Meta", (), {"proxy": True, **words})}
        if name in _TITLES:
            body["__str__"] = _TITLES[name]
        ModelBase(name, (base,), body)

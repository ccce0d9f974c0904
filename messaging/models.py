"""The plumbing's tables. Contexts in one database share them, and each row belongs to one context: `Model.objects.of(alias)`.

The outbox and the inbox themselves are the tables `published` and `received` of django-outbox-pattern.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q
from django.db.models.base import ModelBase
from django.db.models.expressions import Combinable
from django_outbox_pattern.models import Published, Received

from messaging.events import title
from messaging.settings import Alias, names_in, owner

M = TypeVar("M", bound=models.Model)
if TYPE_CHECKING:
    CharField = models.CharField[str | int | Combinable, str]
else:
    CharField = models.CharField


class OwnRows(models.QuerySet[M]):
    """Rows of messaging's tables, which contexts may share."""

    def of(self, using: str) -> "OwnRows[M]":
        """The rows of the context that an alias means (`messaging.settings.owner`)."""
        return self.using(using).filter(context=owner(using))


class ContextField(CharField):
    """The context that a row belongs to. A row without one gets the database's only context.

    Programs of the last release write none. There the column's own default in the database holds the name (migration 0019).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 50, "default": "", "db_default": "", "editable": False, **options})

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if value == "" and names_in(connection.alias):
            value = owner(connection.alias)
        return super().get_db_prep_save(value, connection)


class FirstWord(models.Func):
    """The part of a text before its first dot: the context of an aggregate or an event type, as indexes have it."""

    output_field = models.CharField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="split_part(%(expressions)s, '.', 1)", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, instr(%(expressions)s, '.') - 1)", **context)


class LedgerRows(models.QuerySet["Ledger"]):
    def of(self, using: str) -> "LedgerRows":
        """The entries of the context that an alias means: those whose aggregate has its name first."""
        return self.using(using).alias(owner=FirstWord("aggregate")).filter(owner=owner(using))


class OwnedModel(models.Model):
    """A table whose rows belong to contexts."""

    context = ContextField()

    objects = OwnRows.as_manager()

    class Meta:
        abstract = True

    @property
    def home(self) -> Alias:
        """The alias that it was read from, with its context."""
        using = str(self._state.db)
        return Alias(using, self.context or owner(using))


class Ledger(models.Model):
    """One row per aggregate: its version, the last version that an event announced, and its last change's place in the feed.

    A database trigger writes it (`messaging/ledger/ledger.py`), so it moves however the aggregate's row was written.
    """

    aggregate = models.CharField(max_length=100, help_text="What the row is, as its feed names it: users.user.")
    aggregate_id = models.CharField(max_length=100, help_text="The row's key as text, as in an event's subject.")
    version = models.BigIntegerField(help_text="+1 at every write.")
    announced_version = models.BigIntegerField(default=0, help_text="The highest version that an event was recorded for.")
    position = models.BigIntegerField(null=True, help_text="Place in its context's feed; empty until it is stamped.")
    deleted = models.BooleanField(default=False, help_text="A tombstone: the row was erased or deleted.")
    erased = models.BooleanField(
        default=False, db_default=False, help_text="It was erased. It stays a tombstone, whatever is written later."
    )
    changed_at = models.DateTimeField(help_text="When the last change was written, by the database's clock.")

    objects = LedgerRows.as_manager()

    class Meta:
        verbose_name = "ledger entry"
        verbose_name_plural = "ledger entries"
        # The id first. All rows share the label: with that first, PostgreSQL reads all of them to find a few hundred.
        constraints = [
            models.UniqueConstraint(fields=["aggregate_id", "aggregate"], name="messaging_ledger_aggregate"),
            # The position first, for the feed's pages: their statement names the aggregate, not its context.
            models.UniqueConstraint("position", FirstWord("aggregate"), name="messaging_ledger_place"),
        ]
        indexes = [
            # The context first: a stamper must not read past another context's backlog.
            models.Index(
                FirstWord("aggregate"), "changed_at", "id", condition=Q(position__isnull=True), name="messaging_ledger_waiting"
            ),
            models.Index(
                fields=["aggregate", "id"], condition=Q(version__gt=F("announced_version")), name="messaging_ledger_unannounced"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.aggregate} {self.aggregate_id} v{self.version}"


class Tracking(models.Model):
    """A tracked model of which older rows are still being entered in the ledger. When all are, `messaging.ledger.entering` deletes
    it. Meanwhile the model's feed is closed."""

    aggregate = models.CharField(
        max_length=100, primary_key=True, help_text="What the rows are, as their feed names it: users.user."
    )
    entered = models.BigIntegerField(default=0, db_default=0, help_text="How many of its rows were read.")
    entered_to = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="The key of the last row that was read."
    )
    rows = models.BigIntegerField(null=True, help_text="How many rows the table had when they were counted; empty: not yet.")

    def __str__(self) -> str:
        return f"{self.aggregate}: {self.entered} entered"


class Sequence(OwnedModel):
    """The head of an authority's feed, in one row. Stamping locks it."""

    head = models.BigIntegerField(default=0, help_text="The last position that was given out.")
    floor = models.BigIntegerField(
        default=0, help_text="Tombstones up to here may be purged, so a reader that stopped below must bootstrap."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["context"], name="messaging_sequence_once")]

    def __str__(self) -> str:
        return f"up to {self.head}"


class Mark(OwnedModel):
    """A stamping round's mark (`messaging.ledger.marks`). The round gave out the positions `first` to `position`."""

    position = models.BigIntegerField(help_text="The last position of the round.")
    first = models.BigIntegerField(help_text="The first position of the round.")
    mark = models.CharField(max_length=16, help_text="Random: no other history has it.")
    previous = models.CharField(max_length=16, blank=True, help_text="The mark of the round before it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["context", "position"], name="messaging_mark_once")]

    def __str__(self) -> str:
        return f"{self.mark} up to {self.position}"


class Consumer(OwnedModel):
    """A registered reader of an authority. The register says which events and fields it gets. Retention keeps what a consumer
    hasn't confirmed; one that never reported a checkpoint counts as infinitely behind."""

    name = models.CharField(max_length=50)
    queue = models.CharField(max_length=50, blank=True, help_text="The queue that its events go to; empty: it only pulls the feed.")
    types = models.JSONField(default=list, help_text="The event types that it gets.")
    fields = models.JSONField(default=list, help_text="The fields of `data` that it gets.")
    feeds = models.JSONField(default=list, blank=True, help_text="The feeds that it reads; empty: the context's main one.")
    owners = models.JSONField(default=list, blank=True, help_text="E-mail addresses that are notified of repairs.")
    staleness_seconds = models.PositiveIntegerField(default=900, help_text="How old its copy may be for its decisions, in seconds.")
    registered_at = models.DateTimeField(auto_now_add=True)
    token_hash = models.CharField(max_length=64, blank=True, editable=False, help_text="SHA-256 of its token.")
    token_expires_at = models.DateTimeField(null=True, blank=True)
    bootstrap_open = models.BooleanField(default=True, help_text="Whether it may read the feed from the beginning.")
    bootstrap_closes_at = models.DateTimeField(
        null=True, blank=True, help_text="When that permission ends; empty: when the bootstrap succeeds."
    )
    bootstrapped_to = models.BigIntegerField(
        default=0, help_text="The position at which it last went live. It may read below that only while its bootstrap is open."
    )
    grant = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Random: identifies the last time that its bootstrap was opened; empty: at its registration.",
    )
    checkpoint = models.BigIntegerField(null=True, blank=True, help_text="The last checkpoint that it reported; empty: none yet.")
    reported_at = models.DateTimeField(null=True, blank=True, help_text="When it last reported.")
    marks = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Whether it understands marks; heartbeats then carry them."
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["context", "name"], name="messaging_consumer_once"),
            models.UniqueConstraint(fields=["token_hash"], condition=~Q(token_hash=""), name="messaging_consumer_token"),
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(OwnedModel):
    """A consumer's own record of one authority: its checkpoint, the state of its copy, and counts of the events received."""

    class State(models.TextChoices):
        NEW = "new", "New"
        BOOTSTRAPPING = "bootstrapping", "Bootstrapping"
        LIVE = "live", "Live"
        PAUSED = "paused", "Paused"
        UNREACHABLE = "unreachable", "Authority unreachable"

    authority = models.CharField(max_length=50)
    state = models.CharField(max_length=15, choices=State.choices, default=State.NEW)
    checkpoint = models.BigIntegerField(default=0, help_text="Everything up to this position is applied.")
    ahead = models.JSONField(default=list, help_text="Ranges [first, last] applied beyond the checkpoint, after a gap.")
    head = models.BigIntegerField(default=0, help_text="The authority's head, as last received.")
    behind_since = models.DateTimeField(null=True, blank=True, help_text="Since when changes up to the head are missing.")
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="The authority's time when the copy was last confirmed to be caught up."
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="When the authority's head was last received.")
    bootstrap_head = models.BigIntegerField(null=True, blank=True, help_text="The head that the running bootstrap reads up to.")
    grant = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The authority's latest grant when this copy went live.",
    )
    floor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The authority's floor when this copy was started from 0. It doesn't need the tombstones purged up to there.",
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
        help_text="Why no decision may treat this copy as fresh; empty: it isn't doubtful.",
    )
    doubtful_since = models.DateTimeField(null=True, blank=True, help_text="Since when it is doubtful.")
    partial = models.BooleanField(default=False, help_text="Started at the head, without older rows: missing rows aren't drift.")
    owners = models.JSONField(default=list, blank=True, help_text="Who is notified of repairs; from the authority's register.")
    drift = models.JSONField(null=True, blank=True, help_text="What the last comparison found, by kind.")
    compared_at = models.DateTimeField(null=True, blank=True)
    repaired_at = models.DateTimeField(null=True, blank=True)
    applied = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0, help_text="Events that had arrived before.")
    obsolete = models.BigIntegerField(default=0, help_text="Events that weren't newer than the cache's row.")
    last_event_at = models.DateTimeField(null=True, help_text="When the last message arrived, by this context's clock.")

    class Meta:
        ordering = ["authority"]
        constraints = [models.UniqueConstraint(fields=["context", "authority"], name="messaging_subscription_once")]

    def __str__(self) -> str:
        return f"{self.authority} at {self.checkpoint}"


class Incident(OwnedModel):
    """A fault that a person should know about: changes without an event, drift, an authority that was set back."""

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


class Repair(OwnedModel):
    """A replay, a republish or a repair by comparison: who ran it, and its result."""

    class Kind(models.TextChoices):
        REPLAY = "replay", "Replay"
        REPUBLISH = "republish", "Republish"
        RECONCILE = "reconcile", "Reconcile"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    done_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(auto_now_add=True)
    window = models.CharField(max_length=300, blank=True, help_text="The command's options.")
    consumers = models.JSONField(default=list, help_text="The consumers that it affected.")
    counts = models.JSONField(default=dict)
    result = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.result}"


class Unknown(OwnedModel):
    """A lookup's negative answer: the authority didn't know this aggregate at that time."""

    authority = models.CharField(max_length=50)
    aggregate_id = models.CharField(max_length=100)
    asked_at = models.DateTimeField()

    class Meta:
        verbose_name = "unknown aggregate"
        constraints = [models.UniqueConstraint(fields=["context", "authority", "aggregate_id"], name="messaging_unknown_each")]

    def __str__(self) -> str:
        return f"{self.aggregate_id} at {self.authority}"


class LostErasure(OwnedModel):
    """An erasure that the authority lost when it was set back to before the row. The copy knows it, and keeps its tombstone."""

    authority = models.CharField(max_length=50)
    aggregate_id = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["context", "authority", "aggregate_id"], name="messaging_lost_erasure_each")]

    def __str__(self) -> str:
        return f"{self.aggregate_id} at {self.authority}"


class Ownership(models.Model):
    """Which context may write the rows of one model, in this database. A trigger on the model's table checks it at every
    write (`messaging.ownership.ownership`). Without an entry, anybody may write."""

    class State(models.TextChoices):
        SETTLED = "settled", "Settled"
        MOVING = "moving", "Moving"

    aggregate = models.CharField(max_length=100, primary_key=True, help_text="The model, as Django labels it: users.user.")
    owner = models.CharField(max_length=50, help_text="The context that may write its rows.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.SETTLED)
    until = models.DateTimeField(
        null=True, blank=True, help_text="When a write pause ends by itself, even if its process was killed."
    )
    following = models.BooleanField(
        default=False, help_text="SQLite: whether the transaction that holds the lock is the follower's."
    )
    since = models.DateTimeField(auto_now_add=True, help_text="Since when this context is the owner.")
    verdict = models.CharField(max_length=20, blank=True, help_text="The verdict of the last comparison of both sides.")
    verified_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "ownership entry"
        verbose_name_plural = "ownership entries"
        ordering = ["aggregate"]

    def __str__(self) -> str:
        return f"{self.aggregate}: {self.owner}, {self.state}"


class Lease(models.Model):
    """A lock with an end: who does some exclusive work, and until when (`messaging/database/locks.py`)."""

    name = models.CharField(max_length=150, primary_key=True, help_text="The context and the work, as billing: bootstrap-users.")
    owner = models.CharField(max_length=32, help_text="A random value that identifies the holder.")
    machine = models.CharField(max_length=32, help_text="A value that identifies the holder's machine.")
    ends = models.DateTimeField(help_text="When it ends if it isn't renewed, by the database's clock.")

    def __str__(self) -> str:
        return f"{self.name} until {self.ends}"


class Parked(OwnedModel):
    """A message that could not be handled. It waits for its next retry, or for a person. It is never dropped."""

    class State(models.TextChoices):
        RETRYING = "retrying", "Retrying"
        PARKED = "parked", "Parked"
        APPLIED = "applied", "Applied later"
        DISCARDED = "discarded", "Discarded"

    state = models.CharField(max_length=10, choices=State.choices, default=State.PARKED)
    event_id = models.CharField(max_length=100, blank=True, db_index=True)
    event_type = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=100, blank=True)
    envelope = models.JSONField(null=True, help_text="The event as it arrived, if it can be stored as JSON.")
    raw = models.TextField(blank=True, help_text="The message as text, if it can't be stored as JSON.")
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


#: The admin's pages for a context's plumbing: the page's name, its table's model, and names for one row and for several.
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
    """Define a proxy model in a context for each admin page of the plumbing's tables. Call it at the end of its `models.py`.

    Django's admin identifies a page by its model, so each context needs models of its own.

    Parameters
    ----------
    module
        The context's `models` module: pass `__name__`.
    names
        Which of `PAGES` to define.
    """
    for name in names:
        base, words = PAGES[name]
        body: dict[str, Any] = {"__module__": module, "Meta": type("Meta", (), {"proxy": True, **words})}
        if name in _TITLES:
            body["__str__"] = _TITLES[name]
        ModelBase(name, (base,), body)

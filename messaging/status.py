"""How things stand: each consumer's place in each authority's feed, and what waits in each outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min
from django.utils import timezone
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published

from messaging import conf, handlers, sequencer
from messaging.errors import MessagingError
from messaging.models import Consumer, Ledger, Parked, Subscription


class DatabaseUnreadable(MessagingError):
    """A context's database doesn't answer, or lacks its tables."""


@dataclass(frozen=True)
class ConsumerState:
    """A consumer's place in an authority's feed. None stands for what can't be known from this process."""

    consumer: str
    authority: str
    state: str  # new: nothing arrived yet; live; elsewhere: its context runs in another process
    registered: bool | None
    checkpoint: int | None
    head: int | None
    lag: int | None
    staleness_seconds: float | None
    last_event_at: datetime | None
    parked: int | None
    drift: int | None


@dataclass(frozen=True)
class OutboxState:
    """What a context recorded and didn't send yet; `failed` can't be sent."""

    context: str
    pending: int
    failed: int
    oldest_seconds: float | None


def consumer_states() -> list[ConsumerState]:
    """Every consumer of this process with each authority it hears, and the other consumers of this process's authorities."""
    heads, registers = _heads(), _registers()
    states = []
    for consumer in conf.contexts():
        with _reading(consumer):
            subscriptions = {row.authority: row for row in Subscription.objects.using(consumer)}
            heard = {wire.partition(".")[0] for wire in handlers.table(consumer)} | set(subscriptions)
            parked = _parked(consumer, heard)
        for authority in sorted(heard):
            registered = consumer in registers[authority] if authority in registers else None
            row, head = subscriptions.get(authority), heads.get(authority)
            checkpoint = row.checkpoint if row else 0
            states.append(
                ConsumerState(
                    consumer=consumer,
                    authority=authority,
                    state="live" if row else "new",
                    registered=registered,
                    checkpoint=checkpoint,
                    head=head,
                    lag=None if head is None else max(0, head - checkpoint),
                    staleness_seconds=None,
                    last_event_at=row.last_event_at if row else None,
                    parked=parked[authority],
                    drift=None,
                )
            )
    return states + list(_elsewhere(heads, registers))


def outbox_states() -> list[OutboxState]:
    """The outbox of every context in this process."""
    states, now = [], timezone.now()
    for context in conf.contexts():
        with _reading(context):
            unsent = Published.objects.using(context).filter(status__in=[StatusChoice.SCHEDULE, StatusChoice.FAILED])
            found = unsent.order_by().values_list("status").annotate(number=Count("pk"), oldest=Min("added"))
            by_status = {status: (number, oldest) for status, number, oldest in found}
        pending, oldest = by_status.get(StatusChoice.SCHEDULE, (0, None))
        seconds = round(max(0.0, (now - oldest).total_seconds()), 1) if oldest else None
        states.append(OutboxState(context, pending, by_status.get(StatusChoice.FAILED, (0, None))[0], seconds))
    return states


def _heads() -> dict[str, int]:
    """Each authority's head. What isn't stamped yet counts, or a stopped relay would look like no lag."""
    heads = {}
    for authority in conf.contexts():
        with _reading(authority):
            # In this order a change that is stamped in between counts twice for a moment, rather than not at all.
            pending = Ledger.objects.using(authority).filter(position__isnull=True).count()
            heads[authority] = pending + sequencer.head(authority)
    return heads


def _registers() -> dict[str, set[str]]:
    registers = {}
    for authority in conf.contexts():
        with _reading(authority):
            registers[authority] = set(Consumer.objects.using(authority).values_list("name", flat=True))
    return registers


def _parked(consumer: str, authorities: set[str]) -> dict[str, int]:
    """Unsettled messages by authority. One that can't be told, because it was unreadable, counts with each."""
    unsettled = Parked.objects.using(consumer).filter(state__in=[Parked.State.PARKED, Parked.State.RETRYING])
    counts = dict.fromkeys(authorities, 0)
    for wire, number in unsettled.order_by().values_list("event_type").annotate(number=Count("pk")):
        source = wire.partition(".")[0]
        for authority in {source} if source in authorities else authorities:
            counts[authority] += number
    return counts


def _elsewhere(heads: dict[str, int], registers: dict[str, set[str]]) -> Iterator[ConsumerState]:
    here = set(conf.contexts())
    for authority, consumers in registers.items():
        for consumer in sorted(consumers - here):
            yield ConsumerState(consumer, authority, "elsewhere", True, None, heads[authority], None, None, None, None, None)


@contextmanager
def _reading(using: str) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        lines = str(error).splitlines()
        raise DatabaseUnreadable(f"The database of {using} can't be read: {lines[0] if lines else type(error).__name__}") from error

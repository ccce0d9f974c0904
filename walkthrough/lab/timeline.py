"""One user's story across both contexts: what was recorded, sent, received and decided, and what caused it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser, Invoice
from messaging.models import Ledger, Parked
from messaging.publisher import outbox
from users.models import User
from walkthrough.observe.event_trail import words

#: Events of each outbox that are searched: an open page asks for the timeline every second.
NEWEST = 2_000
#: Lines that are shown.
MOST = 40


@dataclass(frozen=True)
class Line:
    """`context`: where it happened. `correlation`: the start of its correlation id. `cause`: the event that caused it, in words."""

    at: datetime
    context: str
    what: str
    detail: str = ""
    correlation: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Timeline:
    """`user`: None if users has no row. `copy`: billing's row. `version`: the ledger's."""

    id: uuid.UUID
    user: User | None
    copy: CachedUser | None
    version: int | None
    lines: list[Line]


def timeline(user_id: uuid.UUID) -> Timeline:
    """The user's story, newest first; about ten queries."""
    user = User.objects.using("users").filter(pk=user_id).first()
    copy = CachedUser.objects.using("billing").filter(pk=user_id).first()
    entry = Ledger.objects.using("users").filter(aggregate_id=str(user_id), aggregate="users.user").first()
    told = [("users", "billing", row) for row in _recorded("users", Q(body__subject=str(user_id)))]
    told += [("billing", "users", row) for row in _recorded("billing", Q(body__data__user_id=str(user_id)))]
    names = {str(row.pk): words(row.destination) for _, _, row in told}
    lines = [
        *(_line(context, row, names) for context, _, row in told),
        *_received(told),
        *_parked(told),
        *(
            Line(invoice.issued_at, "billing", f"Invoice for {invoice.period} issued", f"decided on v{invoice.user_version}")
            for invoice in Invoice.objects.using("billing").filter(user_id=user_id)
        ),
    ]
    if user:
        lines.append(Line(user.created_at, "users", "Registered"))
    if copy and copy.source != CachedUser.Source.EVENT:
        lines.append(Line(copy.received_at, "billing", f"Copy at v{copy.version} by {copy.source}", copy.status))
    if entry and entry.version > entry.announced_version:
        lines.append(Line(entry.changed_at, "users", f"Changed to v{entry.version}", "no event was recorded"))
    lines.sort(key=lambda line: line.at, reverse=True)
    return Timeline(user_id, user, copy, entry.version if entry else None, lines[:MOST])


def _recorded(context: str, about: Q) -> list[Published]:
    rows = outbox.rows(context, context)
    newest = list(rows.order_by("-added").values_list("pk", flat=True)[:NEWEST])
    oldest = rows.filter(pk__in=newest[-1:]).values_list("added", flat=True).first()
    return list(rows.filter(about, added__gte=oldest).order_by("-added")[:MOST]) if oldest else []


def _line(context: str, row: Published, names: dict[str, str]) -> Line:
    body: dict[str, Any] = row.body
    cause = str(body.get("causationid") or "")
    return Line(
        row.added,
        context,
        f"{words(row.destination)}: recorded",
        ", ".join(filter(None, [f"v{body.get('aggregateversion')}", "a repair" if body.get("repair") else ""])),
        str(body.get("correlationid") or "")[:8],
        names.get(cause, "an earlier event") if cause else "",
    )


def _received(told: Iterable[tuple[str, str, Published]]) -> Iterable[Line]:
    for consumer in ("billing", "users"):
        rows = {f"{consumer}:{row.pk}": row for _, reader, row in told if reader == consumer}
        found = Received.objects.using(consumer).filter(msg_id__in=list(rows)).values_list("msg_id", "added")
        for key, added in found:
            row = rows[key]
            after = max(0, round((added - row.added).total_seconds() * 1000))
            yield Line(added, consumer, f"{words(row.destination)}: received", f"after {after} ms", row.body["correlationid"][:8])


def _parked(told: Iterable[tuple[str, str, Published]]) -> Iterable[Line]:
    for consumer in ("billing", "users"):
        ids = [str(row.pk) for _, reader, row in told if reader == consumer]
        for row in Parked.objects.using(consumer).filter(event_id__in=ids):
            yield Line(row.arrived_at, consumer, f"{words(row.event_type)}: {row.state}", row.reason[:120])

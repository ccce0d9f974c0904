"""Admin pages of registered consumers, subscriptions, incidents and repairs.

All are read-only. The command `consumers` changes the register; messaging's processes and commands write the rest.
"""

import re
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.timesince import timesince

from messaging.admin.base import ReadOnlyAdmin, pretty
from messaging.events.text import plural
from messaging.models import Consumer, Incident, Repair, Subscription
from messaging.publisher import grants
from messaging.replica.drift import KINDS


def since(moment: datetime | None, never: str) -> str:
    """Return the time since a moment in words, or `never` if there is none."""
    if moment is None:
        return never
    seconds = max(0, int((timezone.now() - moment).total_seconds()))
    return plural(seconds, "second").replace(" ", "\xa0") if seconds < 60 else timesince(moment, depth=1)


def ago(moment: datetime | None) -> str:
    return f"{since(moment, '')}\xa0ago" if moment else "-"


def unbroken(words: str) -> str:
    """Keep dates in one line: a browser breaks after each of their hyphens."""
    pieces = re.split(r"(\d{4}-\d\d-\d\d \d\d:\d\d)", words)
    return format_html_join(
        "", '<span class="{}">{}</span>', (("unbroken" if n % 2 else "breaks", p) for n, p in enumerate(pieces))
    )


def counted(counts: Any) -> str:
    """Write {"missing": 2, "stale": 0} as "2 missing"."""
    if not isinstance(counts, dict):
        return str(counts)
    kinds = [*(kind for kind in KINDS if kind in counts), *sorted(set(counts) - set(KINDS))]  # PostgreSQL doesn't keep the order
    return ", ".join(f"{_grouped(counts[kind])}\xa0{kind}" for kind in kinds if counts[kind]) or "none"


def _grouped(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)


def lines(words: Any) -> str:
    return format_html_join("", "<div>{}</div>", ((word,) for word in words)) or "-"


class ConsumerAdmin(ReadOnlyAdmin):
    """The authority's consumers: their events, fields, tokens and reported checkpoints."""

    list_display = ("name", "allowed", "bootstrap", "token", "reached", "reported")
    list_filter = ("bootstrap_open",)
    search_fields = ("name",)
    fields = (
        *("name", "queue", "kinds", "allowed", "addresses", "staleness_seconds", "registered_at", "token", "bootstrap"),
        *("bootstrapped_to", "reached", "reported_at"),
    )
    readonly_fields = ("kinds", "allowed", "addresses", "token", "bootstrap", "reached")

    @admin.display(description="event types")
    def kinds(self, row: Consumer) -> str:
        return lines(row.types)

    @admin.display(description="fields")
    def allowed(self, row: Consumer) -> str:
        return ", ".join(row.fields)

    @admin.display(description="owners")
    def addresses(self, row: Consumer) -> str:
        return lines(row.owners)

    @admin.display(description="grant", ordering="bootstrap_open")
    def bootstrap(self, row: Consumer) -> str:
        return unbroken(grants.grant_in_words(row))

    @admin.display(ordering="token_expires_at")
    def token(self, row: Consumer) -> str:
        ends = row.token_expires_at
        if not row.token_hash or ends is None:
            return "none"
        return unbroken(f"{'until' if ends > timezone.now() else 'expired'} {ends:%Y-%m-%d %H:%M}")

    @admin.display(description="checkpoint", ordering="checkpoint")
    def reached(self, row: Consumer) -> str:
        return "never reported" if row.checkpoint is None else str(row.checkpoint)

    @admin.display(description="reported", ordering="reported_at")
    def reported(self, row: Consumer) -> str:
        return ago(row.reported_at)


class Stands(admin.SimpleListFilter):
    """Filter by state. A doubtful copy counts only as doubtful."""

    title, parameter_name = "state", "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((value, str(label)) for value, label in Subscription.State.choices), ("doubtful", "Doubtful")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "doubtful":
            return queryset.exclude(doubt="")
        return queryset.filter(state=self.value(), doubt="") if self.value() else queryset


class SubscriptionAdmin(ReadOnlyAdmin):
    """This context's checkpoint, lag, staleness and drift for each of its authorities."""

    list_display = ("authority", "stands", "checkpoint", "head", "lag", "staleness", "found", "compared", "event")
    list_filter = (Stands,)
    search_fields = ("authority",)
    fields = (
        *("authority", "stands", "doubt", "doubtful_since", "checkpoint", "head", "lag", "beyond", "behind_since", "staleness"),
        "confirmed_at",
        *("heartbeat_at", "last_event_at", "found", "compared_at", "repaired_at", "applied", "duplicate", "obsolete", "addresses"),
    )
    readonly_fields = ("stands", "lag", "beyond", "staleness", "found", "addresses")

    @admin.display(description="state", ordering="state")
    def stands(self, row: Subscription) -> str:
        return "Doubtful" if row.doubt else row.get_state_display()

    @admin.display(description="lag")
    def lag(self, row: Subscription) -> int:
        return max(0, row.head - row.checkpoint)

    @admin.display(description="applied beyond the checkpoint")
    def beyond(self, row: Subscription) -> str:
        return ", ".join(f"{first} to {last}" for first, last in row.ahead[:20]) or "-"

    @admin.display(ordering="confirmed_at")
    def staleness(self, row: Subscription) -> str:
        return since(row.confirmed_at, "never confirmed")

    @admin.display(description="drift")
    def found(self, row: Subscription) -> str:
        return "never compared" if row.drift is None else counted(row.drift)

    @admin.display(ordering="compared_at")
    def compared(self, row: Subscription) -> str:
        return ago(row.compared_at)

    @admin.display(description="last event", ordering="last_event_at")
    def event(self, row: Subscription) -> str:
        return ago(row.last_event_at)

    @admin.display(description="owners")
    def addresses(self, row: Subscription) -> str:
        return lines(row.owners)


class Open(admin.SimpleListFilter):
    """Filter by open and closed incidents."""

    title, parameter_name = "state", "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Open"), ("no", "Closed")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(closed_at__isnull=self.value() == "yes") if self.value() in {"yes", "no"} else queryset


class IncidentAdmin(ReadOnlyAdmin):
    """Faults that no person caused: changes without an event, drift, a database that was set back."""

    list_display = ("summary", "kind", "authority", "count", "state", "opened_at", "last_seen_at")
    list_filter = (Open, "kind", "opened_at")
    search_fields = ("summary", "authority", "ids")
    search_help_text = "Search by part of the summary, or by an aggregate's id."
    exact_ids = ("ids__contains",)
    fields = ("summary", "kind", "authority", "count", "opened_at", "last_seen_at", "closed_at", "about")
    readonly_fields = ("about",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = super().get_queryset(request).annotate(ids=Cast("subjects", models.TextField()))
        return rows

    @admin.display(ordering="closed_at")
    def state(self, row: Incident) -> str:
        return "closed" if row.closed_at else "open"

    @admin.display(description="ids")
    def about(self, row: Incident) -> str:
        return lines(row.subjects)


class RepairAdmin(ReadOnlyAdmin):
    """Replays, republishes and repairs by comparison: who did them, when, and the result."""

    list_display = ("kind", "result", "done_by", "started_at", "touched", "tally")
    list_filter = ("kind", "started_at")
    search_fields = ("result", "done_by", "window")
    search_help_text = "Search by part of the result, of a person's name, or of the command."
    exact_ids = ("window__contains",)
    fields = ("kind", "done_by", "started_at", "finished_at", "window", "touched", "result", "details")
    readonly_fields = ("touched", "details")

    @admin.display(description="consumers")
    def touched(self, row: Repair) -> str:
        return ", ".join(row.consumers) or "-"

    @admin.display(description="counts")
    def tally(self, row: Repair) -> str:
        return counted(row.counts)

    @admin.display(description="counts")
    def details(self, row: Repair) -> str:
        return pretty(row.counts)

"""Admin pages for the plumbing's tables. Each context registers them for its own database: see `register`.

The tables are the same in every context, so a page has to say which database it reads. Django's way for that is a `ModelAdmin`
that names its alias: https://docs.djangoproject.com/en/5.2/topics/db/multi-db/#exposing-multiple-databases-in-django-s-admin-interface
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import models
from django.db.models import F
from django.http import HttpRequest
from django.utils.html import format_html
from django_outbox_pattern import admin as outbox_pattern_admin  # noqa: F401  (so that its registrations are there to be undone)
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published, Received

from messaging import handlers, parking
from messaging.admin_base import ContextAdmin, ReadOnlyAdmin, pretty
from messaging.admin_register import ConsumerAdmin, IncidentAdmin, RepairAdmin, SubscriptionAdmin
from messaging.contracts import DomainEvent
from messaging.models import Consumer, Incident, Ledger, Parked, Repair, Subscription

__all__ = ["ContextAdmin", "ReadOnlyAdmin", "register"]

# These read without an alias, which the router refuses, and they would let a person edit what was sent.
for unplaced in (Published, Received):
    if admin.site.is_registered(unplaced):
        admin.site.unregister(unplaced)


class PublishedType(admin.SimpleListFilter):
    """The event types that this context publishes: from its contracts, not from a scan of the table."""

    title, parameter_name = "type", "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(wire, wire) for wire, event in sorted(DomainEvent.registry.items()) if event.source() == model_admin.using]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(destination=self.value()) if self.value() else queryset


class HandledType(admin.SimpleListFilter):
    """The event types that this context handles, from its table of handlers."""

    title, parameter_name = "type", "type"
    lookup = "event_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(wire, wire) for wire in sorted(handlers.table(model_admin.using))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset


class ReceivedType(HandledType):
    lookup = "headers__destination"


class OutboxAdmin(ReadOnlyAdmin):
    """Events that this context recorded."""

    list_display = ("type", "subject", "version", "state", "added", "error")
    list_filter = ("status", PublishedType, "added")
    search_fields = ("destination",)
    search_help_text = "The id of an event, a user, an invoice or a correlation; or part of a type."
    exact_ids = ("pk", "body__subject", "body__correlationid")
    ordering = ("-added",)
    fields = ("id", "type", "subject", "version", "state", "error", "added", "correlation", "causation", "envelope")
    readonly_fields = ("type", "subject", "version", "state", "error", "correlation", "causation", "envelope")

    @admin.display(ordering="destination")
    def type(self, row: Published) -> str:
        return str(row.destination)

    def subject(self, row: Published) -> str:
        return str(_of(row.body, "subject"))

    def version(self, row: Published) -> str:
        return str(_of(row.body, "aggregateversion"))

    def correlation(self, row: Published) -> str:
        return str(_of(row.body, "correlationid"))

    def causation(self, row: Published) -> str:
        return str(_of(row.body, "causationid"))

    @admin.display(ordering="status")
    def state(self, row: Published) -> str:
        words = {StatusChoice.SCHEDULE: "waiting", StatusChoice.SUCCEEDED: "sent", StatusChoice.FAILED: "can't be sent"}
        return words.get(StatusChoice(row.status), str(row.status))

    def error(self, row: Published) -> str:
        return str(_of(row.headers, "error"))

    def envelope(self, row: Published) -> str:
        return pretty(row.body)


class InboxAdmin(ReadOnlyAdmin):
    """Events that arrived here; each row also tells a redelivery."""

    list_display = ("type", "subject", "version", "added", "msg_id")
    list_filter = (ReceivedType, "added")
    search_fields = ("^msg_id",)
    search_help_text = "The id of an aggregate or a correlation, or the start of a message id."
    exact_ids = ("headers__subject", "headers__correlationid")
    ordering = ("-added",)
    fields = ("msg_id", "type", "subject", "version", "added", "details")
    readonly_fields = ("type", "subject", "version", "details")

    def type(self, row: Received) -> str:
        return str(_of(row.headers, "destination"))

    def subject(self, row: Received) -> str:
        return str(_of(row.headers, "subject"))

    def version(self, row: Received) -> str:
        return str(_of(row.headers, "version"))

    def details(self, row: Received) -> str:
        return pretty(row.headers)


def _of(values: Any, name: str) -> Any:
    return values.get(name) or "-" if isinstance(values, dict) else "-"


class NoteForm(ActionForm):
    note = forms.CharField(required=False, max_length=500, label="Note:", help_text="Why, where you discard.")


class ParkedAdmin(ReadOnlyAdmin):
    """Messages that could not be handled, with why; a person retries or discards them."""

    list_display = ("__str__", "subject", "reason", "attempts", "arrived_at", "next_attempt_at", "settled_by")
    list_filter = ("state", HandledType, "arrived_at")
    search_fields = ("event_type", "reason", "^event_id", "^subject")
    search_help_text = "An id, or part of a type or reason."
    exact_ids = ("event_id", "subject")
    fields = (
        *("state", "event_type", "event_id", "subject", "reason", "error", "attempts", "arrived_at", "next_attempt_at"),
        *("settled_at", "settled_by", "note", "event", "raw"),
    )
    readonly_fields = ("error", "event")
    action_form = NoteForm
    actions = ("retry", "discard")

    @admin.display(description="traceback")
    def error(self, row: Parked) -> str:
        return format_html('<pre style="overflow-x:auto">{}</pre>', row.traceback) if row.traceback else "-"

    def event(self, row: Parked) -> str:
        return pretty(row.envelope)

    @admin.action(description="Retry now", permissions=["settle"])
    def retry(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        outcomes = [parking.attempt(self.using, pk, by=request.user.get_username()) for pk in self._ids(queryset)]
        applied = sum(1 for row in outcomes if row and row.state == Parked.State.APPLIED)
        settled = sum(1 for row in outcomes if row is None)
        failed = len(outcomes) - applied - settled
        self._say(request, messages.SUCCESS, applied, "applied.")
        self._say(request, messages.WARNING, settled, "left alone: settled already, or in a worker's hands.")
        self._say(request, messages.ERROR, failed, "failed again; the reason is in the list.")

    @admin.action(description="Discard", permissions=["settle"])
    def discard(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        by, note = request.user.get_username(), request.POST.get("note", "").replace("\x00", "").strip()[:500]
        outcomes = [parking.discard(self.using, pk, by=by, note=note) for pk in self._ids(queryset)]
        self._say(request, messages.SUCCESS, outcomes.count(True), "discarded. They stay in this list.")
        self._say(request, messages.WARNING, outcomes.count(False), "left alone: settled already.")

    def _ids(self, queryset: models.QuerySet[Any]) -> list[int]:
        return list(queryset.order_by("pk").values_list("pk", flat=True))  # the order they came in

    def _say(self, request: HttpRequest, level: int, number: int, words: str) -> None:
        if number:
            self.message_user(request, f"{number} message{'' if number == 1 else 's'} {words}", level)


class Announced(admin.SimpleListFilter):
    """Changes that no event was recorded for."""

    title, parameter_name = "announced", "announced"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Changed, but never announced"), ("yes", "Announced")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "no":
            return queryset.filter(version__gt=F("announced_version"))
        return queryset.filter(version__lte=F("announced_version")) if self.value() == "yes" else queryset


class LedgerAdmin(ReadOnlyAdmin):
    """How often each aggregate changed, and how far that was announced."""

    list_display = ("aggregate", "aggregate_id", "version", "announced_version", "position", "deleted", "changed_at")
    list_filter = (Announced, "aggregate", "deleted")
    search_fields = ("^aggregate_id",)
    search_help_text = "An id, or the start of one."
    exact_ids = ("aggregate_id",)
    ordering = ("-id",)


def register(
    using: str,
    *,
    outbox: type[Published],
    inbox: type[Received],
    parked: type[Parked],
    ledger: type[Ledger],
    consumer: type[Consumer],
    subscription: type[Subscription],
    incident: type[Incident],
    repair: type[Repair],
) -> None:
    """Register a context's proxies of the plumbing's tables, for its own database."""
    pages: list[tuple[type[models.Model], type[ContextAdmin]]] = [
        (outbox, OutboxAdmin),
        (inbox, InboxAdmin),
        (parked, ParkedAdmin),
        (ledger, LedgerAdmin),
        (consumer, ConsumerAdmin),
        (subscription, SubscriptionAdmin),
        (incident, IncidentAdmin),
        (repair, RepairAdmin),
    ]
    for model, page in pages:
        admin.site.register(model, page, using=using)

"""Admin pages of messaging's tables. `register` adds them for one context and its database.

Every context has the same tables, so each `ModelAdmin` names the database that it reads, as in
https://docs.djangoproject.com/en/5.2/topics/db/multi-db/#exposing-multiple-databases-in-django-s-admin-interface.
"""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.db.models import F
from django.http import HttpRequest
from django_outbox_pattern import admin as outbox_pattern_admin  # noqa: F401  (it registers the pages that are unregistered below)
from django_outbox_pattern.models import Published, Received

from messaging.admin.base import ContextAdmin, ReadOnlyAdmin, cut, pretty, short
from messaging.admin.consumers import ConsumerAdmin, IncidentAdmin, RepairAdmin, SubscriptionAdmin
from messaging.admin.ownership import OwnershipAdmin
from messaging.admin.parked import HandledType, ParkedAdmin
from messaging.admin.replica import CacheAdmin
from messaging.database.outbox_pattern import FAILED, FORMER, SENT, WAITING
from messaging.events.contract import DomainEvent
from messaging.models import Ledger
from messaging.publisher import outbox

__all__ = [
    "CacheAdmin",
    "ConsumerAdmin",
    "ContextAdmin",
    "LedgerAdmin",
    "OwnershipAdmin",
    "ReadOnlyAdmin",
    "cut",
    "register",
    "short",
]

# They read without an alias, which the router refuses, and would let a person edit sent events.
for unplaced in (Published, Received):
    if admin.site.is_registered(unplaced):
        admin.site.unregister(unplaced)


class PublishedType(admin.SimpleListFilter):
    """The event types that this context publishes, from its contracts: no scan of the table."""

    title, parameter_name = "type", "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(wire, wire) for wire, event in sorted(DomainEvent.registry.items()) if event.source() == model_admin.context]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(destination=self.value()) if self.value() else queryset


#: The states of a recorded event.
STATES = {WAITING: "waiting", SENT: "sent", FAILED: "can't be sent"}
#: The same states in the page's address.
SLUGS = {"waiting": WAITING, "sent": SENT, "failed": FAILED}


class Sending(admin.SimpleListFilter):
    """Filter by state, in the words of the list."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, STATES[state].capitalize()) for slug, state in SLUGS.items()]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        chosen = SLUGS.get(self.value() or "")
        former = [theirs for theirs, state in FORMER.items() if state == chosen]
        return queryset.filter(status__in=[chosen, *former]) if chosen else queryset


class ReceivedType(HandledType):
    lookup = "headers__destination"


class OutboxAdmin(ReadOnlyAdmin):
    """Events that this context recorded."""

    list_display = ("type", "about", "nth", "state", "added", "error")
    list_filter = (Sending, PublishedType, "added")
    search_fields = ("destination", "^body__subject")
    search_help_text = "Search by the id of an event, aggregate or correlation, the start of an aggregate's id, or part of a type."
    exact_ids = ("pk", "body__subject", "body__correlationid")
    ordering = ("-added",)
    fields = ("event", "type", "subject", "nth", "state", "error", "added", "correlation", "causation", "envelope")
    readonly_fields = ("event", "type", "subject", "nth", "state", "error", "correlation", "causation", "envelope")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).filter(outbox.ours(self.using, self.context))

    @admin.display(description="id")
    def event(self, row: Published) -> str:
        return str(row.pk)

    @admin.display(ordering="destination")
    def type(self, row: Published) -> str:
        return str(row.destination)

    def subject(self, row: Published) -> str:
        return str(_of(row.body, "subject"))

    @admin.display(description="subject")
    def about(self, row: Published) -> str:
        return short(_of(row.body, "subject"))

    # django-outbox-pattern's table has an unused column `version`, so a method of that name would never be called.
    @admin.display(description="version")
    def nth(self, row: Published) -> str:
        return str(_of(row.body, "aggregateversion"))

    def correlation(self, row: Published) -> str:
        return str(_of(row.body, "correlationid"))

    def causation(self, row: Published) -> str:
        return str(_of(row.body, "causationid"))

    @admin.display(ordering="status")
    def state(self, row: Published) -> str:
        return STATES[FORMER.get(row.status, row.status)]

    def error(self, row: Published) -> str:
        return str(_of(row.headers, "error"))

    def envelope(self, row: Published) -> str:
        return pretty(row.body)


class InboxAdmin(ReadOnlyAdmin):
    """Events that this context received. By these rows it recognises a redelivery."""

    list_display = ("type", "about", "version", "added")
    list_filter = (ReceivedType, "added")
    search_fields = ("^msg_id", "^headers__subject")
    search_help_text = "Search by an aggregate's id or its start, a correlation's id, or the start of a message's id."
    exact_ids = ("headers__subject", "headers__correlationid")
    ordering = ("-added",)
    fields = ("msg_id", "type", "subject", "version", "added", "details")
    readonly_fields = ("type", "subject", "version", "details")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).filter(msg_id__startswith=f"{self.context}:")

    def type(self, row: Received) -> str:
        return str(_of(row.headers, "destination"))

    def subject(self, row: Received) -> str:
        return str(_of(row.headers, "subject"))

    @admin.display(description="subject")
    def about(self, row: Received) -> str:
        return short(_of(row.headers, "subject"))

    def version(self, row: Received) -> str:
        return str(_of(row.headers, "version"))

    def details(self, row: Received) -> str:
        return pretty(row.headers)


def _of(values: Any, name: str) -> Any:
    return values.get(name) or "-" if isinstance(values, dict) else "-"


class AnnouncedFilter(admin.SimpleListFilter):
    """Filter by changes with or without an event."""

    title, parameter_name = "announced", "announced"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Changed without an event"), ("yes", "Announced")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "no":
            return queryset.filter(version__gt=F("announced_version"))
        return queryset.filter(version__lte=F("announced_version")) if self.value() == "yes" else queryset


class LedgerAdmin(ReadOnlyAdmin):
    """Each aggregate's version, and the version up to which events were recorded."""

    list_display = ("aggregate", "about", "version", "announced_version", "position", "tombstone", "changed_at")
    list_filter = (AnnouncedFilter, "aggregate", "deleted")
    search_fields = ("^aggregate_id",)
    search_help_text = "Search by an id or the start of one."
    exact_ids = ("aggregate_id",)
    ordering = ("-id",)

    @admin.display(description="id", ordering="aggregate_id")
    def about(self, row: Ledger) -> str:
        return short(row.aggregate_id)

    @admin.display(ordering="deleted")
    def tombstone(self, row: Ledger) -> str:
        return "tombstone" if row.deleted else ""


#: The class of each page in `messaging.models.PAGES`.
CLASSES: dict[str, type[ContextAdmin]] = {
    "Outbox": OutboxAdmin,
    "Inbox": InboxAdmin,
    "ParkedMessage": ParkedAdmin,
    "LedgerEntry": LedgerAdmin,
    "Consumer": ConsumerAdmin,
    "Authority": SubscriptionAdmin,
    "Incident": IncidentAdmin,
    "Repair": RepairAdmin,
    "Ownership": OwnershipAdmin,
}


def register(context: str) -> None:
    """Register the admin pages of a context's messaging tables, for its own database.

    Parameters
    ----------
    context
        The context, which is also the app's label. Its `models.py` has to call `messaging.models.make_pages` before.
    """
    for name, page in CLASSES.items():
        model = apps.all_models[context].get(name.lower())
        if model is not None:
            admin.site.register(model, page, context=context)

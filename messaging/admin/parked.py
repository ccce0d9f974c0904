"""Admin pages of messages that couldn't be handled, where a person retries or discards them."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from messaging.admin.base import ReadOnlyAdmin, cut, pretty, short, verbatim
from messaging.consumer import handlers, parked, retries
from messaging.events.text import plural
from messaging.models import Parked

UNSETTLED = (Parked.State.RETRYING, Parked.State.PARKED)


class HandledType(admin.SimpleListFilter):
    """Filter by the event types that this context handles, from its table of handlers."""

    title, parameter_name = "type", "type"
    lookup = "event_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(wire, wire) for wire in sorted(handlers.table(model_admin.context))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset


class Settled(admin.SimpleListFilter):
    """Filter by state; by default show unsettled messages."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*Parked.State.choices, ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Unsettled"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(state=self.value()) if self.value() else queryset.filter(state__in=UNSETTLED)


class NoteForm(ActionForm):
    note = forms.CharField(
        required=False, max_length=500, label="Note:", widget=forms.TextInput({"placeholder": "why you discard"})
    )


class ParkedAdmin(ReadOnlyAdmin):
    """Messages that couldn't be handled, with the reason. A person retries or discards them."""

    list_display = ("type", "state", "about", "why", "arrived_at")
    list_filter = (Settled, HandledType, "arrived_at")
    search_fields = ("event_type", "reason", "^event_id", "^subject")
    search_help_text = "Search by an id or its start, or by part of a type or a reason."
    exact_ids = ("event_id", "subject")
    fields = (
        *("state", "settle", "event_type", "event_id", "subject", "reason", "error", "attempts", "arrived_at", "next_attempt_at"),
        *("settled_at", "settled_by", "note", "event", "bytes"),
    )
    readonly_fields = ("settle", "error", "event", "bytes")
    action_form = NoteForm
    actions = ("retry", "discard")

    @admin.display(ordering="event_type")
    def type(self, row: Parked) -> str:
        return row.event_type or "unreadable message"

    @admin.display(description="subject", ordering="subject")
    def about(self, row: Parked) -> str:
        return short(row.subject)

    @admin.display(description="reason", ordering="reason")
    def why(self, row: Parked) -> str:
        return cut(row.reason)

    @admin.display(description="to do")
    def settle(self, row: Parked) -> str:
        if row.state not in UNSETTLED:
            return "nothing"
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return format_html('<a href="{}?id={}">retry or discard it</a>', url, row.pk)

    @admin.display(description="traceback")
    def error(self, row: Parked) -> str:
        return verbatim(row.traceback)

    def event(self, row: Parked) -> str:
        return pretty(row.envelope)

    @admin.display(description="raw")
    def bytes(self, row: Parked) -> str:
        return verbatim(row.raw)

    @admin.action(description="Retry now", permissions=["settle"])
    def retry(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        outcomes = [retries.attempt(self.context, pk, by=request.user.get_username()) for pk in self._ids(queryset)]
        applied = sum(1 for row in outcomes if row and row.state == Parked.State.APPLIED)
        settled = sum(1 for row in outcomes if row is None)
        never = sum(1 for row in outcomes if row and not parked.retriable(row))
        failed = len(outcomes) - applied - settled - never
        self._say(request, messages.SUCCESS, applied, "applied.")
        self._say(request, messages.WARNING, settled, "skipped: settled already, or being retried by a worker.")
        self._say(request, messages.ERROR, failed, "failed again. The list shows the new reason.")
        self._say(request, messages.ERROR, never, "can't be retried, only discarded.")

    @admin.action(description="Discard", permissions=["settle"])
    def discard(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        by, note = request.user.get_username(), request.POST.get("note", "").replace("\x00", "").strip()
        if not note:
            words = "Nothing was discarded. Write the reason into the note, then discard again."
            self.message_user(request, words, messages.ERROR)
            return
        outcomes = [parked.discard(self.using, pk, by=by, note=note) for pk in self._ids(queryset)]
        self._say(
            request, messages.SUCCESS, outcomes.count(True), "discarded. To see discarded messages, choose the state “Discarded”."
        )
        self._say(request, messages.WARNING, outcomes.count(False), "skipped: settled already.")

    def _ids(self, queryset: models.QuerySet[Any]) -> list[int]:
        return list(queryset.order_by("pk").values_list("pk", flat=True))  # in the order of arrival

    def _say(self, request: HttpRequest, level: int, number: int, words: str) -> None:
        if number:
            self.message_user(request, f"{plural(number, 'message')} {words}", level)

"""Billing's admin. The cache is read-only here: events, pages of the feed, lookups and repairs write it."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.timesince import timesince

from billing.errors import BillingError
from billing.models import (
    CachedUser,
    Cutover,
    CutoverStep,
    Invoice,
    ShadowMismatch,
)
from billing.services import invoice_mark_overdue
from messaging.admin import CacheAdmin, ReadOnlyAdmin, cut, register, short
from messaging.events import plural

register("billing")
#: Refusals that an action shows one by one. It only counts the rest.
MOST_REFUSALS = 5


@admin.register(CachedUser)
class CachedUserAdmin(CacheAdmin):
    """Billing's copy of the users: if a row equals the authority's, how old it is, and where it came from."""

    context = "billing"
    authority = "users"
    list_display = ("user", "status", "version", "compared_now", "source", "age", "authority_time")
    list_filter = ("status", "source", "received_at")
    search_fields = ("^user_id",)
    search_help_text = "A user's id or the start of it."
    fields = ("user_id", "status", "status_since", "version", "source", "age", "authority_time", "received_at")
    readonly_fields = ("age",)

    @admin.display(description="user", ordering="user_id")
    def user(self, row: CachedUser) -> str:
        return short(row.pk)

    @admin.display(ordering="received_at")
    def age(self, row: CachedUser) -> str:
        seconds = (timezone.now() - row.received_at).total_seconds()
        return plural(max(0, int(seconds)), "second") if seconds < 60 else timesince(row.received_at, depth=1)


class Review(admin.SimpleListFilter):
    """Filters invoices that a person should check."""

    title, parameter_name = "review", "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Flagged"), ("no", "Not flagged")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "yes":
            return queryset.exclude(review_reason="")
        return queryset.filter(review_reason="") if self.value() == "no" else queryset


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Invoices, each with the version of the user that billing decided on."""

    context = "billing"
    list_display = ("period", "user", "amount", "status", "user_version", "issued_at", "remarks")
    list_filter = (Review, "status", "issued_at")
    search_fields = ("^user_id", "=period")
    search_help_text = "The id of a user or the start of it, the id of an invoice, or a month such as 2026-11."
    exact_ids = ("pk", "user_id")
    actions = ("mark_overdue",)

    @admin.display(description="user", ordering="user_id")
    def user(self, invoice: Invoice) -> str:
        return short(invoice.user_id)

    @admin.display(ordering="amount_minor")
    def amount(self, invoice: Invoice) -> str:
        return f"{invoice.amount_minor / 100:.2f} {invoice.currency}"

    @admin.display(ordering="review_reason")
    def remarks(self, invoice: Invoice) -> str:
        """One word per remark. Its sentence is the tooltip, and is on the invoice's page."""
        words = {"review": invoice.review_reason, "old copy": invoice.staleness}
        return format_html_join(", ", '<span title="{}">{}</span>', ((said, word) for word, said in words.items() if said))

    @admin.action(description="Mark overdue", permissions=["settle"])
    def mark_overdue(self, request: HttpRequest, queryset: models.QuerySet[Invoice]) -> None:
        refusals, total = [], 0
        for invoice_id in list(queryset.values_list("pk", flat=True)):
            try:
                invoice_mark_overdue(invoice_id=invoice_id)
                total += 1
            except BillingError as error:
                refusals.append(f"{str(invoice_id)[:8]}: {error}")
        if total:
            self.message_user(request, f"{plural(total, 'invoice')} marked overdue.", messages.SUCCESS)
        for refusal in refusals[:MOST_REFUSALS]:
            self.message_user(request, refusal, messages.ERROR)
        if len(refusals) > MOST_REFUSALS:
            self.message_user(request, f"{plural(len(refusals) - MOST_REFUSALS, 'more was', 'more were')} refused.", messages.ERROR)


class Standing(admin.SimpleListFilter):
    """Filters mismatches by state: open, or settled because a later read agreed."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("stands", "Open"), ("settled", "Settled")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(settled_at__isnull=self.value() == "stands") if self.value() else queryset


class OldSource(admin.SimpleListFilter):
    """Filters mismatches by the source that the cache was compared with."""

    title, parameter_name = "old source", "old_source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(source), str(source.label)) for source in (Cutover.Source.MONOLITH, Cutover.Source.API)]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(old_source=self.value()) if self.value() else queryset


@admin.register(ShadowMismatch)
class ShadowMismatchAdmin(ReadOnlyAdmin):
    """Users with different answers from the old source and the cache."""

    context = "billing"
    list_display = ("user", "old_source", "old_answer", "cache_answer", "state", "times", "seen_at")
    list_filter = (Standing, OldSource, "found_at")
    search_fields = ("^user_id",)
    search_help_text = "A user's id or the start of it."
    exact_ids = ("user_id",)
    fields = ("user_id", "old_source", "old_answer", "cache_answer", "state", "times", "found_at", "seen_at", "settled_at")
    readonly_fields = ("old_answer", "cache_answer", "state")

    @admin.display(description="user", ordering="user_id")
    def user(self, row: ShadowMismatch) -> str:
        return short(row.user_id)

    @admin.display(description="old source says", ordering="old_status")
    def old_answer(self, row: ShadowMismatch) -> str:
        return row.old_words

    @admin.display(description="cache says", ordering="cache_status")
    def cache_answer(self, row: ShadowMismatch) -> str:
        return row.cache_words

    @admin.display(ordering="settled_at")
    def state(self, row: ShadowMismatch) -> str:
        return "open" if row.settled_at is None else "settled"


@admin.register(CutoverStep)
class CutoverStepAdmin(ReadOnlyAdmin):
    """The history of the sources that billing read users from."""

    context = "billing"
    list_display = ("at", "before", "after", "by", "past_the_gate", "why")
    list_filter = ("forced",)
    search_fields = ("by", "reason")
    search_help_text = "Part of a name or a reason."
    fields = ("at", "before", "after", "by", "past_the_gate", "reason")
    readonly_fields = ("past_the_gate",)

    @admin.display(description="forced", ordering="forced")
    def past_the_gate(self, row: CutoverStep) -> str:
        return "forced" if row.forced else ""

    @admin.display(description="reason", ordering="reason")
    def why(self, row: CutoverStep) -> str:
        return cut(row.reason)

"""The monolith's admin, like most: a person edits a user in place, with the user's invoices on the same page.

Saving here bypasses `monolith/services.py`, but the signal still runs. Deleting a user lists the rows that CASCADE deletes.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from messaging.admin import ContextAdmin, register, short
from messaging.settings import context
from monolith.models import Invoice, User

if TYPE_CHECKING:
    Inline = admin.TabularInline[Invoice, User]
else:
    Inline = admin.TabularInline

DATABASE, CONTEXT = context("monolith").alias, "monolith"
register(CONTEXT)


class InvoiceInline(Inline):
    """A user's invoices. An inline needs the foreign key, so it disappears with it."""

    model = Invoice
    extra = 0
    fields = ("period", "amount_minor", "currency", "status", "issued_at", "billed_to", "review_reason")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Invoice]:
        return super().get_queryset(request).using(DATABASE)


@admin.register(User)
class UserAdmin(ContextAdmin):
    """Users, with the number of their invoices by a JOIN."""

    context = CONTEXT
    list_display = ("short_id", "email", "name", "status", "invoice_count", "created_at")
    list_display_links = ("short_id", "email")
    list_filter = ("status", "created_at")
    search_fields = ("email", "name", "^id")
    search_help_text = "Part of an address or a name, or the start of an id."
    fields = ("id", "email", "name", "status", "status_since", "suspension_reason", "created_at", "updated_at")
    readonly_fields = ("id", "created_at", "updated_at")
    inlines = (InvoiceInline,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).annotate(number_of_invoices=models.Count("invoices"))

    @admin.display(description="id", ordering="id")
    def short_id(self, user: User) -> str:
        return short(user.pk)

    @admin.display(description="invoices", ordering="number_of_invoices")
    def invoice_count(self, user: Any) -> int:
        return int(user.number_of_invoices)


@admin.register(Invoice)
class InvoiceAdmin(ContextAdmin):
    """Invoices, each with its user's address. `list_select_related` reads both with one query."""

    context = CONTEXT
    list_display = ("period", "user", "amount", "status", "issued_at", "review_reason")
    list_select_related = ("user",)
    list_filter = ("status", "issued_at")
    search_fields = ("user__email", "=period")
    search_help_text = "A user's address or id, or a month such as 2026-11."
    exact_ids = ("pk", "user_id")
    raw_id_fields = ("user",)

    @admin.display(ordering="amount_minor")
    def amount(self, invoice: Invoice) -> str:
        return f"{invoice.amount_minor / 100:.2f} {invoice.currency}"

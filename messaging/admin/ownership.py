"""Admin page of the owner of each model's rows during a split. It is read-only: the command `split` moves them."""

from typing import Any

from django.contrib import admin
from django.utils import timezone

from messaging.admin.base import ReadOnlyAdmin
from messaging.admin.consumers import ago
from messaging.models import Ownership
from messaging.split import declaration


class OwnershipAdmin(ReadOnlyAdmin):
    """The owner of each model's rows, the context that follows it, and the result of their last comparison.

    A model that is in no split has no row here, and every writer may write it.
    """

    list_display = ("aggregate", "owner", "follows", "now", "since", "verdict_", "verified")
    list_filter = ("owner", "state")
    search_fields = ("aggregate", "owner")
    search_help_text = "Search by part of a model's label or of a context's name. Only models in a split are listed."
    fields = ("aggregate", "owner", "follows", "now", "since", "verdict_", "verified_at")
    readonly_fields = ("follows", "now", "verdict_")

    @admin.display(description="followed by")
    def follows(self, row: Ownership) -> str:
        """Return the context that follows the owner; "nobody" after the split was retired."""
        split = declaration.declared(self.context, row.aggregate)
        if split is None:
            return "-"
        if declaration.retired(split):
            return "nobody, retired"
        return next(side.context for side in (split.old, split.new) if side.context != row.owner)

    @admin.display(description="state", ordering="state")
    def now(self, row: Ownership) -> str:
        if row.until is None:
            return row.get_state_display().lower()
        return f"writers wait until {timezone.localtime(row.until):%H:%M:%S}"

    @admin.display(description="last comparison", ordering="verdict")
    def verdict_(self, row: Ownership) -> str:
        return row.verdict.replace("_", " ") or "-"

    @admin.display(description="compared", ordering="verified_at")
    def verified(self, row: Any) -> str:
        return ago(row.verified_at)

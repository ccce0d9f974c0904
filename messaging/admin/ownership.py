"""Admin page of who may write a model's rows while they move between contexts: to look at only, for `split` moves them."""

from typing import Any

from django.contrib import admin
from django.utils import timezone

from messaging.admin.base import ReadOnlyAdmin
from messaging.admin.consumers import ago
from messaging.models import Ownership
from messaging.split import declaration


class OwnershipAdmin(ReadOnlyAdmin):
    """Who owns the rows of a model here, who follows, and what the last comparison of the two sides said.

    A model that nobody splits has no row, and every writer may write it.
    """

    list_display = ("aggregate", "owner", "follows", "now", "since", "verdict_", "verified")
    list_filter = ("owner", "state")
    search_fields = ("aggregate", "owner")
    search_help_text = "Part of a model's label or of a context's name. A model that nobody moves has no row here."
    fields = ("aggregate", "owner", "follows", "now", "since", "verdict_", "verified_at")
    readonly_fields = ("follows", "now", "verdict_")

    @admin.display(description="followed by")
    def follows(self, row: Ownership) -> str:
        """The other side of the split that the model belongs to; nobody once that is over."""
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

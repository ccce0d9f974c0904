"""The monolith's one page: users with their last invoices, and the report. Each is one look into one database."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from monolith import reports, selectors

ROWS = 50


@require_safe
def page(request: HttpRequest, *, base: str = "monolith/base.html", **look: Any) -> HttpResponse:
    """`base`: the template that the page extends, and `look`: what that one needs. The URLs say both, for how the project looks is
    not this context's business."""
    shown = {
        **look,
        "base": base,
        "users": selectors.users_with_last_invoices(limit=ROWS),
        "to_review": selectors.invoices_to_review(limit=ROWS),
        "revenue": reports.revenue_by_period_and_status(),
    }
    return render(request, "monolith/page.html", shown)

"""The monolith's page: users with their last invoices, invoices to check, and the report, all from one database."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from monolith import reports, selectors

ROWS = 50


@require_safe
def page(request: HttpRequest, *, base: str = "monolith/base.html", **look: Any) -> HttpResponse:
    """Show the page. The project's URLs choose the template that it extends (`base`) and that template's values (`look`), so this
    context doesn't know the project's design."""
    shown = {
        **look,
        "base": base,
        "users": selectors.users_with_last_invoices(limit=ROWS),
        "to_review": selectors.invoices_to_review(limit=ROWS),
        "revenue": reports.revenue_by_period_and_status(),
    }
    return render(request, "monolith/page.html", shown)

"""A report with a JOIN. Most projects have one, and people miss it first when the tables are split."""

from dataclasses import dataclass

from django.db.models import Count, Sum

from monolith.models import Invoice


@dataclass(frozen=True)
class Revenue:
    """The invoices of a month to users with this status *now*."""

    period: str
    user_status: str
    currency: str
    invoices: int
    amount_minor: int

    @property
    def amount(self) -> str:
        return f"{self.amount_minor / 100:,.2f} {self.currency}"


def revenue_by_period_and_status() -> list[Revenue]:
    """Sum up invoices by month and the user's status, the newest month first, in one statement with a JOIN."""
    grouped = Invoice.objects.order_by("-period", "user__status", "currency").values_list("period", "user__status", "currency")
    return [Revenue(*row) for row in grouped.annotate(number=Count("pk"), total=Sum("amount_minor"))]

"""The report that joins. Everybody has one, and it is what people miss first once the tables are apart."""

from dataclasses import dataclass

from django.db.models import Count, Sum

from monolith.models import Invoice


@dataclass(frozen=True)
class Revenue:
    """What was invoiced for a month to the users who are of one status *now*."""

    period: str
    user_status: str
    currency: str
    invoices: int
    amount_minor: int

    @property
    def amount(self) -> str:
        return f"{self.amount_minor / 100:,.2f} {self.currency}"


def revenue_by_period_and_status() -> list[Revenue]:
    """One statement: invoices JOIN users, GROUP BY month and status; the newest month first."""
    grouped = Invoice.objects.order_by("-period", "user__status", "currency").values_list("period", "user__status", "currency")
    return [Revenue(*row) for row in grouped.annotate(number=Count("pk"), total=Sum("amount_minor"))]

"""The reads of the monolith's page. Django writes the JOINs."""

from django.db.models import Prefetch, QuerySet

from monolith.models import Invoice, User


def users_with_last_invoices(*, limit: int, invoices: int = 3) -> QuerySet[User]:
    """Return the newest users, each with its newest invoices as `last_invoices`, with two queries."""
    last = Prefetch("invoices", queryset=Invoice.objects.order_by("-period")[:invoices], to_attr="last_invoices")
    return User.objects.prefetch_related(last)[:limit]


def invoices_to_review(*, limit: int) -> QuerySet[Invoice]:
    """Return the invoices that a person should check, each with its user. `select_related` makes it one query with a JOIN."""
    return Invoice.objects.exclude(review_reason="").select_related("user")[:limit]

"""What the monolith's pages read, with the joins that Django writes for you."""

from django.db.models import Prefetch, QuerySet

from monolith.models import Invoice, User


def users_with_last_invoices(*, limit: int, invoices: int = 3) -> QuerySet[User]:
    """The newest users, each with the newest invoices as `last_invoices`: two queries for the page."""
    last = Prefetch("invoices", queryset=Invoice.objects.order_by("-period")[:invoices], to_attr="last_invoices")
    return User.objects.prefetch_related(last)[:limit]


def invoices_to_review(*, limit: int) -> QuerySet[Invoice]:
    """Invoices that a person should look at, each with its user: one query, for `select_related` makes it a JOIN."""
    return Invoice.objects.exclude(review_reason="").select_related("user")[:limit]

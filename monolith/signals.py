"""A signal that writes across: whoever saves a suspended user also writes that user's invoices.

It is the kind of line that holds a monolith together and that no one finds when it is taken apart: nothing in `User` mentions it,
and `QuerySet.update()` and raw SQL pass it by.
"""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from monolith.models import User


@receiver(post_save, sender=User, dispatch_uid="monolith.review_open_invoices")
def review_open_invoices(instance: User, using: str, **kwargs: Any) -> None:
    """Mark a suspended user's invoices for review. All are open: issued or overdue."""
    if instance.status == User.Status.SUSPENDED:
        reason = instance.suspension_reason or "no reason given"
        invoices = instance.invoices.using(using).filter(review_reason="")
        invoices.update(review_reason=f"The user is suspended: {reason}.")

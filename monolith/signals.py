"""A signal that writes to another table: saving a suspended user also writes to that user's invoices.

Such lines hold a monolith together, and are hard to find when it is split: `User` doesn't mention the signal, and
`QuerySet.update()` and raw SQL bypass it.
"""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from monolith.models import User


@receiver(post_save, sender=User, dispatch_uid="monolith.review_open_invoices")
def review_open_invoices(instance: User, using: str, **kwargs: Any) -> None:
    """Flag a suspended user's invoices for review. All of them are issued or overdue, so open."""
    if instance.status == User.Status.SUSPENDED:
        reason = instance.suspension_reason or "no reason given"
        invoices = instance.invoices.using(using).filter(review_reason="")
        invoices.update(review_reason=f"The user is suspended: {reason}.")

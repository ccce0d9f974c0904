from accounts.events import AccountChanged
from django.dispatch import receiver
from oscar.apps.customer.signals import user_registered

from messaging.publisher import record


@receiver(user_registered)
def record_sign_up(user, **kwargs):
    record(AccountChanged(active=user.is_active), subject=user.pk, using="default")

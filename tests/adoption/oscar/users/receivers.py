from django.dispatch import receiver
from oscar.apps.customer.signals import user_registered

from messaging.publisher import record
from users.events import UserChanged


@receiver(user_registered)
def record_sign_up(user, **kwargs):
    record(UserChanged(is_active=user.is_active), subject=user.pk, using="default")

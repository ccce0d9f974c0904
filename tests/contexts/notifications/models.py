"""How to reach a user: names and addresses, which billing never sees, and none of billing's facts."""

from django.db import models


class Contact(models.Model):
    """Notifications' copy of a user. An erased user has no address."""

    user_id = models.UUIDField(primary_key=True)
    email = models.CharField(max_length=254)
    name = models.CharField(max_length=200)
    version = models.BigIntegerField(help_text="The user's version at the authority.")
    source = models.CharField(max_length=10, help_text="Event, bootstrap, repair or lookup.")
    received_at = models.DateTimeField(help_text="When it arrived here.")

    objects: "models.Manager[Contact]" = models.Manager()  # mypy reads the project's settings, which don't know this app

    def __str__(self) -> str:
        return f"{self.user_id} (v{self.version})"

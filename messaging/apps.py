from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"

    def ready(self) -> None:
        from messaging import checks, checks_feed, ledger  # noqa: F401  (checks register themselves)

        post_migrate.connect(ledger.install_after_migrate, dispatch_uid="messaging.ledger.install")

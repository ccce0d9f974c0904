from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"

    def ready(self) -> None:
        from messaging import checks, checks_feed, ledger, splits, worker_startup  # noqa: F401  (they register themselves)

        pre_migrate.connect(ledger.keep_during_migrate, dispatch_uid="messaging.ledger.keep")
        post_migrate.connect(ledger.install_after_migrate, dispatch_uid="messaging.ledger.install")
        post_migrate.connect(splits.guard_after_migrate, dispatch_uid="messaging.splits.guard")

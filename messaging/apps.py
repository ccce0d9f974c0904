from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"

    def ready(self) -> None:
        from messaging.database import sharing
        from messaging.ledger import ledger
        from messaging.operations import checks, worker_startup  # noqa: F401  (importing registers them)
        from messaging.publisher import feed
        from messaging.split import declaration

        feed.track_declared()
        pre_migrate.connect(ledger.keep_during_migrate, dispatch_uid="messaging.ledger.keep")
        post_migrate.connect(ledger.install_after_migrate, dispatch_uid="messaging.ledger.install")
        post_migrate.connect(sharing.drop_legacy_after_migrate, dispatch_uid="messaging.database.sharing")
        post_migrate.connect(declaration.guard_after_migrate, dispatch_uid="messaging.split.guard")

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate, pre_migrate


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"
    default_auto_field = "django.db.models.BigAutoField"  # as in its migrations, whatever the host's default is

    def import_models(self) -> None:
        if not apps.is_installed("django_outbox_pattern"):  # its models are the outbox and the inbox
            raise ImproperlyConfigured('messaging needs django_outbox_pattern. Add "django_outbox_pattern" to INSTALLED_APPS.')
        super().import_models()

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

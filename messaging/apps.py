from contextlib import suppress
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate, pre_migrate


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"
    default_auto_field = "django.db.models.BigAutoField"  # as in its migrations; a host may have another default

    def import_models(self) -> None:
        if not apps.is_installed("django_outbox_pattern"):  # its models are the outbox and the inbox
            raise ImproperlyConfigured('messaging needs django_outbox_pattern. Add "django_outbox_pattern" to INSTALLED_APPS.')
        super().import_models()

    def __init__(self, app_name: str, app_module: Any) -> None:
        """Raise `ImproperlyConfigured` if another app has the same label. Django says only that labels aren't unique."""
        super().__init__(app_name, app_module)
        if other := self._namesake():
            label = other.name.replace(".", "_")
            raise ImproperlyConfigured(
                f"Two apps have the label {self.label!r}: {other.name} and django-bounded-contexts, whose label can't be changed. "
                f'Give {other.name} another one in its AppConfig: label = "{label}". "If you have a `messaging` already" in '
                "docs/lifting.md of django-bounded-contexts says how its tables and migrations keep working."
            )

    def _namesake(self) -> AppConfig | None:
        """Return another app with this label. Apps before this one in `INSTALLED_APPS` are loaded already, later ones aren't."""
        found = apps.app_configs.get(self.label)
        if found and found.name != self.name:
            return found
        entries = list(settings.INSTALLED_APPS)
        own = {self.name, f"{type(self).__module__}.{type(self).__qualname__}"}
        here = next((number for number, entry in enumerate(entries) if entry in own), len(entries))
        for entry in entries[here + 1 :]:
            with suppress(Exception):  # an app that can't be loaded is reported by Django, in its turn
                config = AppConfig.create(entry)
                if config.label == self.label and config.name != self.name:
                    return config
        return None

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

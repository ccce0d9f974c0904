from django.apps import AppConfig


class BoundariesConfig(AppConfig):
    """For a project that uses `manage.py crossings` without the rest of messaging: `INSTALLED_APPS += ["messaging.boundaries"]`."""

    name = "messaging.boundaries"
    label = "messaging_boundaries"
    verbose_name = "Boundaries"

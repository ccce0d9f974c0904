from django.apps import AppConfig


class MonolithConfig(AppConfig):
    name = "monolith"
    verbose_name = "Monolith (before the split)"

    def ready(self) -> None:
        from monolith import signals  # noqa: F401  (its receivers connect themselves)

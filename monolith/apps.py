from django.apps import AppConfig


class MonolithConfig(AppConfig):
    name = "monolith"
    verbose_name = "Monolith (before the split)"

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "tests.contexts.notifications"
    label = "notifications"
    verbose_name = "Context notifications (autonomous)"

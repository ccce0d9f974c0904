from django.apps import AppConfig


class WalkthroughConfig(AppConfig):
    name = "walkthrough"
    verbose_name = "Walkthrough"

    def ready(self) -> None:
        from walkthrough import faults

        faults.install()

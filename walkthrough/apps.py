from django.apps import AppConfig


class WalkthroughConfig(AppConfig):
    name = "walkthrough"
    verbose_name = "Walkthrough"

    def ready(self) -> None:
        from messaging import steps
        from walkthrough import bombs, faults, quiet

        faults.install()
        quiet.install()
        steps.listeners.append(bombs.listen)

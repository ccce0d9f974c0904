from typing import Any

from django.apps import AppConfig
from django.utils.autoreload import BaseReloader, autoreload_started


def _switches(seed: int, early: bool) -> frozenset[str]:
    """A mystery's concealed faults. Its causes and repairs load half of the walkthrough, which few processes need."""
    from walkthrough.mystery import choice

    return choice.switches(seed, early)


def _end_mystery() -> None:
    """No program of a new run starts with a mystery's fault."""
    from walkthrough.mystery import state

    state.end_at_start()


class WalkthroughConfig(AppConfig):
    name = "walkthrough"
    verbose_name = "Walkthrough"

    def ready(self) -> None:
        from config import runner
        from messaging import failpoints
        from walkthrough import quiet
        from walkthrough.control import concealed, crash_points, faults
        from walkthrough.mystery import looks

        faults.install()
        concealed.resolvers.append(_switches)
        runner.beginning.append(_end_mystery)
        looks.install()
        quiet.install()
        failpoints.listeners.append(crash_points.listen)
        autoreload_started.connect(self._watch)

    def _watch(self, sender: BaseReloader, **signal: Any) -> None:
        """Restart `runserver` when a chapter's prose changes, as it does for code."""
        sender.watch_dir(f"{self.path}/chapters", "**/*.md")

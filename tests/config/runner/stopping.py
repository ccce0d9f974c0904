"""The Celery app with a scheduler that gets SIGTERM while Python imports its modules. `celery -A tests.config.runner.stopping
beat`."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from config.celery import app

__all__ = ["app"]


#: `celery.app.amqp` imports it, and isn't complete then.
MODULE = "celery.app.routes"


class Stopping(MetaPathFinder):
    """Finds nothing, but stops the process when that module is imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == MODULE:
            print(f"told to stop at {MODULE}", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
        return None


assert MODULE not in sys.modules
sys.meta_path.insert(0, Stopping())

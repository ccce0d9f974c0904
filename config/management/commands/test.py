"""`test`: the suite runs with pytest, so this hands over to it, with whatever was typed behind `test`."""

import os
import sys
from importlib.util import find_spec
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage

MISSING = (
    "The suite runs with pytest, which isn't installed here. `make test` installs what it needs and runs everything. Or type: "
    "pip install -r requirements-dev.txt, and then: python manage.py test tests/users"
)


class Command(BaseCommand):
    help = "Run the test suite with pytest, which gets all words that follow. `make test` runs it on SQLite and on PostgreSQL."

    def run_from_argv(self, argv: list[str]) -> None:
        if argv[2:] in (["--help"], ["-h"]) or find_spec("pytest") is None:
            super().run_from_argv(argv[:3] if argv[2:] in (["--help"], ["-h"]) else argv[:2])
        else:
            # A process of its own: this one has the databases of `make run` for its settings.
            os.execv(sys.executable, [sys.executable, "-m", "pytest", *argv[2:]])  # noqa: S606

    def handle(self, *args: Any, **options: Any) -> None:
        raise WrongUsage(MISSING)

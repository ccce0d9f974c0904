"""`test` runs pytest with all words that follow."""

import os
import sys
from importlib.util import find_spec
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage

MISSING = (
    "pytest isn't installed. Run `make test`, which installs it and runs the whole suite. Or run: pip install -r "
    "requirements-dev.txt, and then: python manage.py test tests/users"
)


class Command(BaseCommand):
    help = "Run pytest with all words that follow. `make test` runs the whole suite on SQLite and on PostgreSQL."

    def run_from_argv(self, argv: list[str]) -> None:
        if argv[2:] in (["--help"], ["-h"]) or find_spec("pytest") is None:
            super().run_from_argv(argv[:3] if argv[2:] in (["--help"], ["-h"]) else argv[:2])
        else:
            # pytest replaces this process, whose settings have the databases of `make run`.
            os.execv(sys.executable, [sys.executable, "-m", "pytest", *argv[2:]])  # noqa: S606

    def handle(self, *args: Any, **options: Any) -> None:
        raise WrongUsage(MISSING)

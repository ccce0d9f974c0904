"""Prepares a run: `python -m tests.chaos.prepare migrate`, then `fill`. It works like `make run`, with more users, most of them
without a history."""

import io
import os
import sys

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
USERS = "150"


def main(step: str) -> None:
    django.setup()
    from config.runner import provisioning

    if step == "migrate":
        print(*provisioning.migrate(), sep="\n")
        return
    print(*provisioning.register(), *provisioning.seed(), sep="\n")
    call_command("seed", "--users", USERS, "--suspended", "0.1", "--random-seed", "1", stdout=io.StringIO())


if __name__ == "__main__":
    main(sys.argv[1])

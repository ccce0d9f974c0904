"""`dual_write outbox USER --die-after committed`: suspend a user in one of three ways, and die by SIGKILL at a step."""

import os
import signal
import uuid
from argparse import ArgumentParser
from typing import Any

from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage, database_errors_as_refusals
from users.models import User
from walkthrough.scenarios.dual_write import WAYS


class Command(BaseCommand):
    help = (
        "Suspend a user and notify billing, in one of three ways. Chapter 3 of the walkthrough kills it between two of its steps."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("way", help=f"one of {', '.join(WAYS)}")
        parser.add_argument("user", help="the id of an active user")
        points = "; ".join(f"{name}: {' or '.join(steps)}" for name, (_, steps) in WAYS.items())
        parser.add_argument("--die-after", metavar="STEP", help=f"kill this process after that step ({points})")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["way"] not in WAYS:
            raise WrongUsage(f"There is no way {options['way']!r}. There are: {', '.join(WAYS)}.")
        act, steps = WAYS[options["way"]]
        fatal = options["die_after"]
        if fatal is not None and fatal not in steps:
            raise WrongUsage(f"{options['way']} has no step {fatal!r}. It has: {', '.join(steps)}.")
        with database_errors_as_refusals("users"):
            act(_active(options["user"]), lambda step: self._reached(step, fatal))
        self.result(
            options, {"way": options["way"], "user": options["user"]}, "Done: the user is suspended, and billing is notified."
        )

    def _reached(self, step: str, fatal: str | None) -> None:
        self.stdout.write(f"{step}.")
        if step == fatal:
            self.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def _active(text: str) -> uuid.UUID:
    try:
        user_id = uuid.UUID(text)
    except ValueError:
        raise WrongUsage(f"{text!r} is not an id.") from None
    if not User.objects.using("users").filter(pk=user_id, status=User.Status.ACTIVE).exists():
        raise WrongUsage(f"There is no active user {user_id}.")
    return user_id

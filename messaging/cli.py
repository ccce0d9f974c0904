"""What all commands share: `--json`, and the exit codes. 0 done; 1 a difference or failure was found and reported; 2 wrong usage;
3 refused for safety."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import conf


class WrongUsage(CommandError):
    """Exit code 2: the call's words are off. The message says which, and what would be right."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


class Refused(CommandError):
    """Exit code 3: refused for safety. The message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=3)


class Found(CommandError):
    """Exit code 1: a difference or a failure was found, and reported."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=1)


class Command(BaseCommand):
    """Base of the project's commands."""

    requires_system_checks: Any = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", help="print one machine-readable object on the last line")
        return parser

    def result(self, options: Mapping[str, Any], values: Mapping[str, Any], text: str) -> None:
        """Print the outcome: for a person, or as one line of JSON."""
        self.stdout.write(json.dumps(values, default=str) if options["json"] else text)


def context_argument(parser: ArgumentParser, name: str, help_text: str) -> None:
    """A positional argument that names a context of this process."""
    parser.add_argument(name, help=f"{help_text}: {', '.join(conf.contexts())}")


def checked_context(name: str) -> str:
    """The name, where it is a context of this process; `WrongUsage` elsewhere."""
    if name not in conf.contexts():
        raise WrongUsage(f"{name!r} is not a context of this process. Here: {', '.join(conf.contexts())}.")
    return name

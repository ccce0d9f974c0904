"""The base of all commands: `--json` and the exit codes.

0: done. 1: a difference or failure was found and reported. 2: wrong usage. 3: refused for safety.
"""

import gc
import json
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import DatabaseError, IntegrityError, InterfaceError

from messaging import settings
from messaging.database import errors
from messaging.errors import BeingEntered, DatabaseAway, InTheWay, MissingExtra, NoBroker, NotFollowing, NotYet, TableBusy
from messaging.events.text import said
from messaging.ownership import ownership
from messaging.settings import Context

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=36_500)


class WrongUsage(CommandError):
    """Exit code 2: an argument is wrong. The message says which one and what would be right."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


class Refused(CommandError):
    """Exit code 3: refused for safety. The message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=3)


class Found(CommandError):
    """Exit code 1: a difference or failure was found and reported."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=1)


class PlainErrors(BaseCommand):
    """A command that prints its errors as plain sentences."""

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command. On the command line an error is printed as a sentence, and its exit code is used.

        Django would print the exception's class before the sentence. `call_command` and `--traceback` raise the error. A write that
        a guard refuses is `Refused`, also in commands without `database_errors_as_refusals`.
        """
        try:
            with _guarded():
                return super().execute(*args, **options)
        except SystemCheckError:
            raise  # Django formats it
        except CommandError as error:
            if not getattr(self, "_called_from_command_line", False) or options["traceback"]:
                raise
            self.stderr.write(str(error))
            sys.exit(error.returncode)


class Command(PlainErrors):
    """Base of the project's commands."""

    requires_system_checks: Any = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")
        return parser

    def result(self, options: Mapping[str, Any], values: Mapping[str, Any], text: str) -> None:
        """Print the result: `text` for a person, or `values` as one line of JSON."""
        self.stdout.write(json.dumps(values, default=str) if options["json"] else text)


def spare_imports_from_collection() -> None:
    """Exclude imported objects from garbage collection, in a command that reads a feed and ends.

    A bootstrap of 50,000 rows took 31 µs of processor time per row with it, 45 µs without it, and 39 µs with a higher threshold for
    collections. A long-running process shouldn't call it: it would never free the garbage of this moment.
    """
    gc.freeze()


def context_argument(parser: ArgumentParser, name: str, help_text: str, **options: Any) -> None:
    """Add a positional argument that names a context of this process; `options` as for `add_argument`."""
    parser.add_argument(name, help=f"{help_text}; one of: {', '.join(settings.contexts())}", **options)


def checked_context(name: str) -> Context:
    """Return a context of this process. Raises `WrongUsage` if there is none with this name."""
    known = settings.contexts()
    if name not in known:
        raise WrongUsage(f"{name!r} is not a context of this process. Use one of: {', '.join(known)}.")
    return known[name]


def duration(text: str, option: str) -> timedelta:
    """Read 90s, 15m, 1h or 30d. Raises `WrongUsage`, which names `option`; as argparse's `type` it would print a traceback, so call
    it in `handle`."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip(), re.ASCII)
    if not found:
        raise WrongUsage(f"{option} {text!r} is not a duration. Write a number and a unit, for example 90s, 15m, 1h or 30d.")
    value = timedelta(**{UNITS[found[2]]: int(found[1])})
    if value > LONGEST:
        raise WrongUsage(f"{option} {text} is too long. The longest duration is {LONGEST.days}d.")
    return value


def lifetime(text: str, option: str = "--ttl") -> timedelta:
    """Read a duration of more than zero. Raises `WrongUsage`."""
    value = duration(text, option)
    if not value:
        raise WrongUsage(f"{option} {text} is zero. Write a longer duration, for example 15m, 1h or 30d.")
    return value


def parsed_time(text: str, option: str) -> datetime:
    """Read a time with a zone, for example 2026-11-23T14:00:00Z, as UTC. Raises `WrongUsage`."""
    try:
        value = datetime.fromisoformat(text)
        if value.tzinfo is None:
            raise WrongUsage(f"{option} {text} has no time zone. For UTC write {value.isoformat()}Z.")
        return value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUsage(
            f"{option} {text!r} is not a time. Write it like 2026-11-23T09:00:00Z or 2026-11-23T10:00:00+01:00."
        ) from None


@contextmanager
def database_errors_as_refusals(*aliases: str) -> Iterator[None]:
    """Raise `Refused` if one of these databases can't be used or lacks its tables, or if rows have moved to another context.

    Parameters
    ----------
    aliases
        The databases that the block uses; the message names those that can't be used.
    """
    aliases = tuple(dict.fromkeys(aliases))
    try:
        with _guarded():
            yield
    except DatabaseAway as error:
        raise Refused(f"{error}. Try again later.") from error
    except (DatabaseError, InterfaceError) as error:
        if not errors.unusable(error):
            raise
        unmigrated = errors.lacks_tables(error)
        where = " or ".join(aliases) if unmigrated or errors.is_full(error) or len(aliases) == 1 else _away(aliases)
        todo = "Create its tables: manage.py migrate --database NAME" if unmigrated else "Start it, then try again"
        if errors.is_full(error):
            todo = "Free disk space, then try again"
        if errors.gave_up_waiting(error):
            todo = "Another transaction holds it. Try again"
        if errors.is_read_only(error):
            todo = "It is read-only now, like a standby. Set its URL to the primary, or try again later"
        if len(aliases) == 1:
            todo = todo.replace("NAME", where)
        raise Refused(f"The database of {where} can't be used: {said(error)}. {todo}.") from error


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        refused = ownership.refusal(error)
        if refused is None:
            raise
        raise Refused(str(refused)) from error
    except (BeingEntered, MissingExtra, NoBroker, NotFollowing, NotYet, InTheWay, TableBusy) as error:
        raise Refused(str(error)) from error


def _away(aliases: tuple[str, ...]) -> str:
    """Name the databases that take no writes, or all if each does."""
    away = [alias for alias in aliases if not errors.takes_writes(alias)]
    return " and ".join(away or aliases)

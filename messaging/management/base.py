"""What all commands share: `--json`, and the exit codes. 0 done; 1 a difference or failure was found and reported; 2 wrong usage;
3 refused for safety."""

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
from messaging.errors import DatabaseAway, InTheWay, NotFollowing, NotYet
from messaging.events.text import said
from messaging.ownership import ownership
from messaging.settings import Context

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=36_500)


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


class PlainErrors(BaseCommand):
    """A command that prints a refusal as a sentence."""

    def execute(self, *args: Any, **options: Any) -> Any:
        """What a guard refuses is `Refused` in every command, whether it has `database_errors_as_refusals` or not.

        On the command line its sentence is printed, and the exit code is its own. Django would put the exception's class before
        the sentence. `call_command` raises, and `--traceback` shows where from.
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
        parser.add_argument("--json", action="store_true", help="print one machine-readable object on the last line")
        return parser

    def result(self, options: Mapping[str, Any], values: Mapping[str, Any], text: str) -> None:
        """Print the outcome: for a person, or as one line of JSON."""
        self.stdout.write(json.dumps(values, default=str) if options["json"] else text)


def spare_imports_from_collection() -> None:
    """Keep the garbage collector from looking through all that was imported, again and again while pages of rows are read.

    For commands that read a feed and end. A bootstrap of 50,000 rows took 31 µs of processor time a row with it, 45 µs without, and
    39 µs with a higher threshold for collections. A process that stays would never free what was garbage at this moment.
    """
    gc.freeze()


def context_argument(parser: ArgumentParser, name: str, help_text: str) -> None:
    """A positional argument that names a context of this process."""
    parser.add_argument(name, help=f"{help_text}: {', '.join(settings.contexts())}")


def checked_context(name: str) -> Context:
    """The context of this process that is called so; `WrongUsage` where there is none."""
    known = settings.contexts()
    if name not in known:
        raise WrongUsage(f"{name!r} is not a context of this process. Here: {', '.join(known)}.")
    return known[name]


def duration(text: str) -> timedelta:
    """90s, 15m, 1h or 30d; `WrongUsage` for anything else. Call it in `handle`: as argparse's `type` it ends in a traceback."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip(), re.ASCII)
    if not found:
        raise WrongUsage(f"{text!r} is not a duration. Write a number and a unit, as 90s, 15m, 1h or 30d.")
    value = timedelta(**{UNITS[found[2]]: int(found[1])})
    if value > LONGEST:
        raise WrongUsage(f"{text} is too long: at most {LONGEST.days}d.")
    return value


def lifetime(text: str) -> timedelta:
    """A duration that something is to last, so more than none."""
    value = duration(text)
    if not value:
        raise WrongUsage(f"{text} is over at once. Say how long, as 15m, 1h or 30d.")
    return value


def parsed_time(text: str, option: str) -> datetime:
    """A time with its zone, as 2026-11-23T14:00:00Z, in UTC; `WrongUsage` for anything else."""
    try:
        value = datetime.fromisoformat(text)
        if value.tzinfo is None:
            raise WrongUsage(
                f"{option} {text} has no time zone, so it could be any of 24 hours. In UTC it is {value.isoformat()}Z."
            )
        return value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUsage(
            f"{option} {text!r} is not a time. Write it as 2026-11-23T09:00:00Z or 2026-11-23T10:00:00+01:00."
        ) from None


@contextmanager
def database_errors_as_refusals(*aliases: str) -> Iterator[None]:
    """Around work on these databases: one that is away, or lacks its tables, is `Refused` in a sentence, not a traceback; and so
    is a write to rows that have moved to another context."""
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
        todo = "Bring it up to date: manage.py migrate --database NAME" if unmigrated else "Start it, and try again"
        if errors.is_read_only(error):
            todo = "It takes no writes now, as a standby. Name the primary in its URL, or try again later"
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
    except (NotFollowing, NotYet, InTheWay) as error:
        raise Refused(str(error)) from error


def _away(aliases: tuple[str, ...]) -> str:
    """Those of these databases that take nothing."""
    away = [alias for alias in aliases if not errors.takes_writes(alias)]
    return " and ".join(away or aliases)

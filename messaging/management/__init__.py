"""The commands' common base: exit codes, `--json`, arguments and terminal output. `scaffold` is what `startcontext` writes."""

from messaging.management.base import Command, Found, Refused, WrongUsage, database_errors_as_refusals, duration
from messaging.management.progress import progress_bar

__all__ = ["Command", "Found", "Refused", "WrongUsage", "database_errors_as_refusals", "duration", "progress_bar"]

"""Logs without what a database adds to its errors: the statement with its values, and the row that it refused. They may be
somebody's personal data, and logs go further than tables."""

import logging
import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

from messaging.events.text import traced

#: The lines behind the first one of a PostgreSQL error, and as they are in a `repr` of it.
_MORE = re.compile(r"(?:\n|\\n)(?:DETAIL|LINE \d+|CONTEXT|QUERY|WHERE): .*")


class Hiding(SafeExceptionReporterFilter):
    """What Django's page about an error keeps to itself, with `DEBUG=1` and in mails: our URLs hold passwords too."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL", re.IGNORECASE)


class Plain(logging.Formatter):
    """Errors with where they came from, and their first lines."""

    def formatException(self, ei: Any) -> str:
        return traced(ei[1]) if ei[1] is not None else ""

    def format(self, record: logging.LogRecord) -> str:
        return _MORE.sub("", super().format(record))

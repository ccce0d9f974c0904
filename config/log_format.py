"""Logs without the statement, values and row that a database adds to its errors. They may have personal data, and logs are copied
to more places than tables."""

import logging
import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

from messaging.events.text import traced

#: The lines after the first of a PostgreSQL error, in its text or its `repr`.
_MORE = re.compile(r"(?:\n|\\n)(?:DETAIL|LINE \d+|CONTEXT|QUERY|WHERE): .*")


class Hiding(SafeExceptionReporterFilter):
    """Hides settings with URLs too in Django's error pages and mails, because our URLs may have passwords."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL", re.IGNORECASE)


class Plain(logging.Formatter):
    """Logs an error with its traceback's places and only the first line of its text."""

    def formatException(self, ei: Any) -> str:
        return traced(ei[1]) if ei[1] is not None else ""

    def format(self, record: logging.LogRecord) -> str:
        return _MORE.sub("", super().format(record))

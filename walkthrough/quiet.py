"""The web server's log without the looks of open pages: each asks once a second or so, which hides what a reader looks for."""

import logging
import re

#: A look that was answered. One that failed is logged.
_LOOK = re.compile(r'"GET /(live|lab/live|playing)/[^ "]* HTTP/[\d.]+" 200 ')


def install() -> None:
    logging.getLogger("django.server").addFilter(worth_a_line)


def worth_a_line(record: logging.LogRecord) -> bool:
    return not _LOOK.search(record.getMessage())

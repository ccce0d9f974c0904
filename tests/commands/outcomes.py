"""A program: runs command lines as `manage.py` does, one after the other, and prints how each ended, as JSON.

One process for many commands, for most of a command's time is Django's start. Each of its arguments is a line.
"""

import contextlib
import io
import json
import logging
import os
import signal
import sys
import threading
import traceback
from typing import Any

import django
from django.core.management import ManagementUtility
from django.db import connections

#: Seconds until a command that runs until it is stopped is told to stop.
LONG_ENOUGH = 1.5


def outcome(words: list[str]) -> dict[str, Any]:
    out, err = io.StringIO(), io.StringIO()
    log = logging.StreamHandler(err)
    logging.getLogger().addHandler(log)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = threading.Timer(LONG_ENOUGH, os.kill, (os.getpid(), signal.SIGTERM))
    if words[0] == "tend" or (words[0] == "relay" and "--once" not in words):
        stop.start()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            ManagementUtility(["manage.py", *words]).execute()
        except SystemExit as end:
            code = end.code
        except Exception:
            code = "traceback"
            traceback.print_exc()
        finally:
            stop.cancel()
            logging.getLogger().removeHandler(log)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    connections.close_all()
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(json.dumps([outcome(line.split()) for line in sys.argv[1:]]))

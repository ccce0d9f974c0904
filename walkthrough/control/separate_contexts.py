"""Contexts as separate web servers, for the chapters that need that: the address of each, and if it answers."""

import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from config.runner.programs import BILLING_ADDRESS, USERS_ADDRESS

if TYPE_CHECKING:
    from walkthrough.script.stage import Stage

#: Program to the file with its address.
ADDRESSES: dict[str, Path] = {"users-api": USERS_ADDRESS, "billing-web": BILLING_ADDRESS}
#: Seconds to wait for an answer, and for the first one.
PATIENCE, LONGEST_START = 5.0, 60.0


def address(program: str) -> str:
    """http://127.0.0.1:8001"""
    return ADDRESSES[program].read_text(encoding="utf-8").strip()


def answers(program: str) -> bool:
    """Return True if it answers with its API's description."""
    return status(f"{address(program)}/api/schema/") == 200


def status(url: str) -> int:
    """The HTTP status of a GET; 0 if there is no answer."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy of the environment
    try:
        with direct.open(url, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def start(stage: "Stage", *names: str) -> None:
    """Start them, and check that they answer. A web server takes seconds to start, and more on a busy machine."""
    stage.start(*names)
    for name in names:
        claim = f"{name} answers as its own process"
        stage.eventually(claim, partial(answers, name), partial(address, name), timeout=LONGEST_START)

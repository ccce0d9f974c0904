"""The contexts as web servers of their own, for the chapters that part them: where each is, and whether it answers."""

import urllib.request
from pathlib import Path

from config.programs import BILLING_ADDRESS, USERS_ADDRESS
from walkthrough import programs

#: Program to the file that says where it is.
ADDRESSES: dict[str, Path] = {"users-api": USERS_ADDRESS, "billing-web": BILLING_ADDRESS}
#: Seconds to wait for an answer.
PATIENCE = 5.0


def address(program: str) -> str:
    """http://127.0.0.1:8001"""
    return ADDRESSES[program].read_text(encoding="utf-8").strip()


def answers(program: str) -> bool:
    """Whether it answers with its API's description."""
    return status(f"{address(program)}/api/schema/") == 200


def status(url: str) -> int:
    """The HTTP status of a GET; 0 where nobody answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy of the environment
    try:
        with direct.open(url, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def begin(*names: str) -> None:
    """Start them, and return when their processes are there; `answers` says when they serve."""
    programs.start(*names)

"""The authority for the bootstrap and the comparison: many users, a registered consumer, and a web server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from benchmarks.processes import free_port, running, wait_for


@contextmanager
def serving() -> Iterator[Any]:
    """Run the contexts' APIs in a separate process, with their address in this environment. Yields the process."""
    command, answers = web_server()
    with running(command) as (process,):
        wait_for(answers)
        yield process


def web_server() -> tuple[tuple[str, ...], str]:
    """Return a web server's command line, and a URL that answers when it is up. Sets its address in this environment."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # With DEBUG off, plain HTTP is redirected to HTTPS.
    os.environ.update({f"{name}_API_URL": address for name in ("USERS", "BILLING", "MONOLITH")}, DEBUG="1")
    return ("manage.py", "runserver", "--alone", "--noreload", f"127.0.0.1:{port}"), f"{address}/api/users/contracts/"


def register() -> list[str]:
    """Register billing at users, with a token in this environment. Returns its fields."""
    from messaging.consumer import handlers
    from messaging.publisher import consumers, tokens

    types, fields = handlers.wanted("billing", "users") or ([], [])
    consumers.register_consumer(authority="users", name="billing", types=types, fields=fields)
    os.environ["USERS_API_TOKEN"] = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=2))
    return fields


def execute(alias: str, sql: str, *parameters: Any) -> int:
    """Run a statement, and return the number of affected rows."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return int(cursor.rowcount)

"""The API's server, and a client that counts the transferred bytes."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3

from benchmarks.processes import free_port, running, wait_for

SETTINGS = "benchmarks.alternatives.pages.settings"


class Client:
    """One open connection, like the project's client."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.bytes = self.round_trips = 0
        self.pool = urllib3.PoolManager(maxsize=1, retries=False, headers={"Accept-Encoding": "gzip"})

    def get(self, path: str) -> Any:
        answer = self.pool.request("GET", f"{self.address}/{path}", preload_content=False)
        raw = answer.read(decode_content=False)
        answer.release_conn()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}.")
        self.bytes += len(raw)
        self.round_trips += 1
        if answer.headers.get("Content-Encoding") == "gzip":
            import gzip

            raw = gzip.decompress(raw)
        return json.loads(raw)


@contextmanager
def serving() -> Iterator[str]:
    """Run the API on the authority's database with the same server as the project, and yield its address."""
    port = free_port()
    with running(
        ("-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"),
        ALTERNATIVE_DATABASE_URL=os.environ["USERS_DATABASE_URL"],
        DJANGO_SETTINGS_MODULE=SETTINGS,
    ):
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/users/?limit=1")
        yield address


def set_up() -> None:
    """Create the alternatives' tables in both databases, and set up Django on the consumer's."""
    os.environ.update(ALTERNATIVE_DATABASE_URL=os.environ["BILLING_DATABASE_URL"], DJANGO_SETTINGS_MODULE=SETTINGS)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    with running(("-m", "django", "migrate", "--run-syncdb"), ALTERNATIVE_DATABASE_URL=os.environ["USERS_DATABASE_URL"]) as (
        other,
    ):
        if other.wait(timeout=60):
            raise SystemExit("The authority's database can't be migrated. To see why, set BENCH_VERBOSE=1.")

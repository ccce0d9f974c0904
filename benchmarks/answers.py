"""Measures the memory of the authority's web server while it answers one page after another.

`python -m benchmarks.answers --requests 4000`. It uses one connection and pages of 2,000 rows, like a bootstrap.
"""

import argparse
import http.client
import os
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.bootstrap import PAGE, seed
from benchmarks.options import say
from benchmarks.serving import register, serving
from benchmarks.surroundings import migrated

PAGES = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"):
        say(measure(options.requests), options.json)


def measure(requests: int) -> dict[str, Any]:
    seed(PAGES * PAGE)
    register()
    with serving() as web:
        server = psutil.Process(web.pid)
        connection = http.client.HTTPConnection(urlsplit(os.environ["USERS_API_URL"]).netloc)
        seen = []
        for number in range(requests):
            _read(connection, number % PAGES * PAGE)
            seen.append(server.memory_info().rss / 2**20)
        connection.close()
    return {"requests": requests, "first_mb": round(seen[0], 1), "last_mb": round(seen[-1], 1), "highest_mb": round(max(seen), 1)}


def _read(connection: http.client.HTTPConnection, since: int) -> None:
    headers = {"Authorization": f"Bearer {os.environ['USERS_API_TOKEN']}", "Accept-Encoding": "gzip"}
    connection.request("GET", f"/api/users/changes/?since={since}&limit={PAGE}", headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"The web server answered {answer.status}.")


if __name__ == "__main__":
    main()

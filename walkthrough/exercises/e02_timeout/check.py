"""What does billing decide while the API is slow, away or broken? The API is the real one, behind a server that can misbehave."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import Client

from messaging.errors import Denied
from walkthrough.exercises.probing import lacks_unless, manage, mine, new_id, probe
from walkthrough.exercises.shop.users.services import user_register, user_suspend

client = mine("client")
#: Seconds that a slow answer takes. The exercise accepts half a second, and the rest of `decide` may take one more.
SLOW, ENOUGH = 3, 1.5


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


class Api:
    """The authority's API. `weather` says how each request fares, in their order; the last one holds for all later ones."""

    def __init__(self, *weather: str) -> None:
        self.weather, self.requests = weather or ("fine",), 0
        self._django = get_wsgi_application()

    def warm_up(self) -> None:
        """Answer a first request, which takes longer than all others. It isn't counted."""
        Client().get(f"/api/users/{new_id()}/")

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        now = self.weather[min(self.requests, len(self.weather) - 1)]
        self.requests += 1
        if now == "broken":
            start("500 Internal Server Error", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return []
        if now == "slow":
            time.sleep(SLOW)
        try:
            return list(self._django(environ, start))
        finally:
            connections.close_all()


@contextmanager
def api(*weather: str, token: str = "") -> Iterator[Api]:
    """Serve the API while the block runs. Billing is registered there; `token` replaces its own."""
    manage("consumers", "register", "billing", "--to", "users")
    app = Api(*weather)
    server = make_server("127.0.0.1", 0, app, Server, Quiet)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    os.environ["EXERCISE_API_URL"] = f"http://127.0.0.1:{server.server_port}"
    if token:
        os.environ["USERS_API_TOKEN"] = token
    app.warm_up()
    try:
        yield app
    finally:
        os.environ.pop("USERS_API_TOKEN", None)
        server.shutdown()
        server.server_close()


def users(number: int) -> list[uuid.UUID]:
    return [user_register(email=f"user{at}@example.org").pk for at in range(number)]


def decided(ids: list[uuid.UUID]) -> list[str]:
    """The decisions as words, in the order of the ids; `nothing` for a user without one."""
    found = client.decide(ids)
    return [found[user_id].value if user_id in found else "nothing" for user_id in ids]


def served(ids: list[uuid.UUID], *weather: str, right: list[str]) -> tuple[list[str], int]:
    """Decide while the API runs; returns the decisions and the number of requests. On a busy machine an answer may come too late,
    so it tries up to three times."""
    for _ in range(3):
        with api(*weather) as app:
            found = decided(ids)
        if found == right:
            break
    return found, app.requests


@probe("With an answer, active users are billed and others are skipped")
def answered() -> None:
    ids = users(2)
    user_suspend(user_id=ids[1])
    right = ["bill", "skip", "skip"]
    found, _ = served([*ids, new_id()], right=right)
    lacks_unless(found == right, f"An active, a suspended and an unknown user: {', '.join(found)}.")


@probe("It waits at most half a second for an answer")
def patience() -> None:
    ids = users(1)
    for _ in range(3):  # a busy machine may be slow, but not each time
        began = time.monotonic()
        with api("slow"):
            found = decided(ids)
        took = time.monotonic() - began
        lacks_unless(found == ["hold"], f"An answer took {SLOW} s, and decide waited for it. Give AuthorityClient its `patience`.")
        if took < ENOUGH:
            return
    lacks_unless(False, f"decide gave up after {took:.1f} s. Half a second is enough.")


@probe("A user without an answer is held, and the others are decided on")
def held() -> None:
    ids = users(3)
    right = ["bill", "hold", "bill"]
    found, _ = served(ids, "fine", "broken", "fine", right=right)
    lacks_unless(found == right, f"The second of three users got no answer. Decisions: {', '.join(found)}.")


@probe("With nobody at that address, all users are held")
def nobody() -> None:
    ids = users(2)
    with api():
        pass  # the server has ended, and its address is still set
    found = decided(ids)
    lacks_unless(found == ["hold", "hold"], f"The API isn't running. Decisions: {', '.join(found)}.")


@probe("After three users in a row without an answer, it stops asking")
def stops() -> None:
    ids = users(6)
    with api("broken") as app:
        found = decided(ids)
    lacks_unless(found == ["hold"] * 6, f"The API is broken. Decisions: {', '.join(found)}.")
    lacks_unless(app.requests == 3, f"decide sent {app.requests} requests for six users. Stop after three failures.")


@probe("An answer begins the count anew")
def in_a_row() -> None:
    ids = users(6)
    right = ["hold", "hold", "bill", "hold", "hold", "bill"]
    found, requests = served(ids, "broken", "broken", "fine", "broken", "broken", "fine", right=right)
    lacks_unless(found == right and requests == 6, f"Never three failures in a row, and the decisions are {', '.join(found)}.")


@probe("A refused token is an error that somebody sees")
def denied() -> None:
    ids = users(1)
    for _ in range(3):
        with api(token="not-a-token"):  # noqa: S106
            try:
                found = decided(ids)
            except Denied:
                return
    lacks_unless(False, f"The API refused the token, and decide says {', '.join(found)}. Don't catch `Denied`.")

"""An application that keeps writing users while their rows move from one database to another, as yours would.

It writes where the rows are. During the hand-over it retries, and after it, it writes to the new place. It remembers every
acknowledged write, so that a check can find lost ones.
"""

import threading
import time
from collections import Counter
from typing import Any, Self
from uuid import UUID, uuid4

from django.apps import apps
from django.db import connections

from messaging.errors import MovedAway, Moving
from messaging.events.text import plural, said
from messaging.ownership.ownership import writing
from monolith import services as monolith
from users import services as users

PLACES = {"monolith": "monolith.user", "users": "users.user"}
#: Seconds between two writes, and before another try during a hand-over.
PACE, AGAIN = 0.05, 0.005
#: Seconds within which the application must have written somewhere.
PATIENCE = 30.0


class Application:
    """`wrote`: acknowledged writes by place. `held`: a write's longest wait for a hand-over, in seconds. `expected`: each user's
    last acknowledged status. `failed`: the error that ended it, if any."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.wrote: Counter[str] = Counter()
        self.expected: dict[UUID, str] = {}
        self.held = 0.0
        self.failed = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="application")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def reaches(self, place: str) -> bool:
        """Return True if it writes there within `PATIENCE` seconds."""
        limit = time.monotonic() + PATIENCE
        while not self.wrote[place] and self._thread.is_alive() and time.monotonic() < limit:
            time.sleep(PACE)
        return self.wrote[place] > 0

    def lost(self) -> list[str]:
        """Acknowledged writes that aren't in the owner's table, one sentence each."""
        rows = apps.get_model(PLACES[self.place])._base_manager.using(self.place).filter(pk__in=self.expected)
        there: dict[UUID, str] = dict(rows.values_list("pk", "status"))
        return [
            f"{key}: {status} was acknowledged, and the row says {there.get(key)}"
            for key, status in self.expected.items()
            if there.get(key) != status
        ]

    def in_words(self) -> str:
        """For example "150 writes: 120 at monolith, 30 at users; the longest wait was 40 ms"."""
        counted = ", ".join(f"{number} at {place}" for place, number in self.wrote.items())
        return f"{plural(self.wrote.total(), 'write')}: {counted}; the longest wait was {self.held * 1000:.0f} ms"

    def _run(self) -> None:
        since = None
        try:
            while not self._stop.is_set():
                try:
                    with writing(self.place, PLACES[self.place]):
                        key, status = self._write()
                except Moving:
                    since = since or time.monotonic()
                    time.sleep(AGAIN)
                    continue
                except MovedAway:
                    self.place = next(other for other in PLACES if other != self.place)
                    continue
                if since is not None:
                    self.held, since = max(self.held, time.monotonic() - since), None
                self.expected[key] = status
                self.wrote[self.place] += 1
                self._stop.wait(PACE)
        except Exception as error:
            self.failed = said(error)
        finally:
            for place in PLACES:
                connections[place].close()

    def _write(self) -> tuple[UUID, str]:
        """Register a user, suspend and reactivate them a few times, then register the next one."""
        known = list(self.expected.items())[-1:]
        if not known or (known[0][1] == "active" and self.wrote.total() % 9 == 0):
            return self._registered(f"walker.{uuid4().hex[:12]}@example.org").pk, "active"
        key, status = known[0]
        return key, self._suspended(key) if status == "active" else self._reactivated(key)

    def _registered(self, email: str) -> Any:
        if self.place == "users":
            return users.user_register(email=email, name="Wanda Walker")
        return monolith.register(email=email, name="Wanda Walker")

    def _suspended(self, key: UUID) -> str:
        if self.place == "users":
            users.user_suspend(user_id=key, reason="walks")
        else:
            monolith.suspend(monolith.User.objects.get(pk=key), "walks")
        return "suspended"

    def _reactivated(self, key: UUID) -> str:
        if self.place == "users":
            users.user_reactivate(user_id=key)
        else:
            monolith.reactivate(monolith.User.objects.get(pk=key))
        return "active"

"""Does the copy get every change from the feed, also after a crash in the middle?"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from messaging.celery import app
from messaging.consumer import upsert_newer
from messaging.events.text import plural
from messaging.replica import AuthorityClient
from messaging.transport.queues import queue
from walkthrough.exercises.probing import lacks_unless, manage, mine, probe, refusing
from walkthrough.exercises.shop.billing.models import CachedUser, Checkpoint
from walkthrough.exercises.shop.users.models import User
from walkthrough.exercises.shop.users.services import user_register, user_suspend

recover = mine("recover")


class Killed(Exception):
    """The process ends here."""


class Feed:
    """The authority's real feed. `asked` has the positions of the requests; `before` is called at each one with its number."""

    def __init__(self, before: Callable[[int], None] = lambda number: None) -> None:
        self.asked: list[int] = []
        self._before, self._client = before, AuthorityClient("users", "billing")

    def changes(self, since: int, **options: Any) -> Any:
        self.asked.append(since)
        if len(self.asked) > 20:
            raise RuntimeError(f"catch_up sent 20 requests, and the last ones began after the positions {self.asked[-3:]}")
        self._before(len(self.asked))
        return self._client.changes(since, **options)


def users(number: int) -> list[uuid.UUID]:
    """Register users, and billing as their consumer."""
    manage("consumers", "register", "billing", "--to", "users")
    return [user_register(email=f"user{at}@example.org").pk for at in range(number)]


def caught_up(before: Callable[[int], None] = lambda number: None) -> tuple[int, list[int]]:
    """Call `catch_up`; returns its result and the positions that it asked from."""
    feed = Feed(before)
    return recover.catch_up(feed), feed.asked


def checkpoint() -> int:
    return Checkpoint.objects.filter(pk="users").values_list("position", flat=True).first() or 0


def wrong() -> int:
    """The number of users whose status in the copy isn't theirs."""
    own = dict(CachedUser.objects.values_list("pk", "status"))
    return sum(own.get(user.pk) != user.status for user in User.objects.all())


def lost(ids: list[uuid.UUID]) -> None:
    """Suspend these users. The relay sends the events, and the broker loses its queue."""
    with app.connection_or_acquire() as connection, connection.channel() as channel:
        bound = queue("billing")(channel)
        bound.declare()
        for user_id in ids:
            user_suspend(user_id=user_id)
        manage("relay", "users", "--once")
        lacks_unless(bound.purge(), "The check itself failed: the relay sent nothing.")


@probe("An empty copy gets every user, over several pages")
def all_pages() -> None:
    users(5)
    total, _ = caught_up()
    lacks_unless(wrong() == 0, f"{wrong()} of 5 users are missing in the copy. A page has {recover.PAGE_ROWS}.")
    lacks_unless(total == 5, f"catch_up returned {total} for 5 changes.")


@probe("After the queue was lost, it reads only what is missing")
def after_loss() -> None:
    ids = users(5)
    caught_up()
    at = checkpoint()
    lost(ids[:2])
    total, asked = caught_up()
    lacks_unless(asked[0] == at, f"The checkpoint is {at}, and catch_up asked for the changes after {asked[0]}.")
    lacks_unless(wrong() == 0, f"{wrong()} of the users suspended meanwhile are wrong in the copy.")
    lacks_unless(total == 2, f"Two users were suspended, and catch_up read {plural(total, 'change')}.")


@probe("With nothing new, one request is enough")
def nothing_new() -> None:
    users(3)
    caught_up()
    total, asked = caught_up()
    lacks_unless(
        total == 0 and len(asked) == 1,
        f"Nothing has changed; it read {plural(total, 'change')} with {plural(len(asked), 'request')}.",
    )


@probe("A killed run goes on after its last page")
def resumes() -> None:
    users(5)

    def die(number: int) -> None:
        if number == 2:
            raise Killed

    with suppress(Killed):
        caught_up(die)
    kept, at = CachedUser.objects.count(), checkpoint()
    lacks_unless(kept == 2, f"The process was killed before its second page, and the copy has {plural(kept, 'user')} instead of 2.")
    lacks_unless(at == 2, f"The copy has the changes up to position 2, and the checkpoint says {at}.")
    _, asked = caught_up()
    lacks_unless(asked[0] == 2, f"The next run begins after position {asked[0]} instead of 2.")
    lacks_unless(wrong() == 0, f"After the next run, {wrong()} of 5 users are missing.")


@probe("Without its checkpoint, a page isn't kept")
def page_needs_checkpoint() -> None:
    users(2)
    Checkpoint.objects.create(authority="users", position=0)
    with refusing("billing_checkpoint", "billing", "UPDATE"):
        caught_up()
    kept = CachedUser.objects.count()
    lacks_unless(
        kept == 0,
        f"The checkpoint couldn't be written, and {plural(kept, 'row of the page is', 'rows of the page are')} kept. "
        "Use one transaction.",
    )


@probe("Without its page, the checkpoint doesn't move")
def checkpoint_needs_page() -> None:
    users(2)
    with refusing("billing_cacheduser", "billing"):
        caught_up()
    lacks_unless(checkpoint() == 0, f"The rows couldn't be written, and the checkpoint is {checkpoint()}. They are lost for ever.")


@probe("Changes that are made meanwhile are read, too")
def meanwhile() -> None:
    ids = users(4)

    def change(number: int) -> None:
        if number == 2:
            user_suspend(user_id=ids[0])

    caught_up(change)
    lacks_unless(
        wrong() == 0,
        f"A user was suspended during the run, and {plural(wrong(), 'row of the copy is', 'rows of the copy are')} wrong.",
    )


@probe("A row that an event has moved on isn't set back")
def moved_on() -> None:
    (user_id,) = users(1)
    user = User.objects.get(pk=user_id)
    newer = {"user_id": user_id, "version": 9, "status": "suspended", "status_since": user.status_since, "plan": "pro"}
    upsert_newer(CachedUser, [{**newer, "source": "event"}], using="billing")
    caught_up()
    row = CachedUser.objects.get(pk=user_id)
    lacks_unless(row.version == 9, f"The copy had version 9 from an event, and catch_up set it back to {row.version}.")

"""Stories by hand, for cases that a random machine seldom reaches. Rules and checked invariants are the same."""

from collections.abc import Callable
from typing import Any

from messaging.replica.staleness import Policy
from tests.properties import second
from tests.properties.machine import Life
from tests.properties.system import System

FIRST, SECOND = 0, 1  # the first two users


class Telling:
    """Does a step, and checks."""

    def __init__(self, system: System) -> None:
        class Told(Life):
            pass

        Told.system = system
        self.life = Told()

    def __getattr__(self, name: str) -> Callable[..., None]:
        step: Callable[..., Any] = getattr(self.life, name)

        def told(*arguments: Any, **options: Any) -> None:
            step(*arguments, **options)
            self.life.check()

        return told

    def begin_with(self, users: int, *, billing: bool = True) -> None:
        self.begin(users, billing, billing, 0)

    def send(self) -> None:
        self.relay("users", 3, "", 1)

    def bootstrapped(self, name: str, page_size: int = 2) -> None:
        self.bootstrap(name, page_size, "", 1, False, False, None)

    def pulled(self, name: str) -> None:
        self.catch_up(name, 3, "", 1, None)

    def arrive(self, *, poison: bool = False) -> None:
        self.deliver(0, newest=True, crash="", poison=poison)


def the_newest_comes_first_in_a_message(tell: Telling) -> None:
    tell.begin_with(1)
    tell.write("suspend", FIRST)
    tell.write("reactivate", FIRST)
    tell.send()
    tell.deliver_together(0, "")


def an_erased_row_is_written_to_and_pulled(tell: Telling) -> None:
    tell.begin_with(2)
    tell.write("erase", FIRST)
    tell.write_silently("raw", FIRST)
    tell.pulled("billing")


def a_copy_is_begun_long_after_a_purge(tell: Telling) -> None:
    """Its pages begin below the tombstone floor, with tombstones that it never had."""
    tell.begin_with(5)
    tell.write("erase", FIRST)
    tell.write("change_email", 13)
    tell.send()
    tell.arrive()
    tell.pulled("billing")
    tell.report("billing")
    tell.purge("", 1)
    tell.register(second.NAME)
    tell.bootstrapped(second.NAME, page_size=2)


def a_copy_is_killed_below_the_floor(tell: Telling) -> None:
    tell.begin_with(5)
    tell.write("erase", FIRST)
    tell.write("change_email", 13)
    tell.send()
    tell.pulled("billing")
    tell.report("billing")
    tell.purge("", 1)
    tell.register(second.NAME)
    tell.bootstrap(second.NAME, 1, "pull.committed", 2, False, False, None)
    tell.bootstrapped(second.NAME)


def what_was_pulled_and_never_sent_is_purged(tell: Telling) -> None:
    """Everybody has passed it, but its event still waits in the outbox."""
    tell.begin_with(1)
    tell.write("suspend", FIRST)
    tell.pulled("billing")
    tell.report("billing")
    tell.purge("", 1)


def what_failed_is_tried_again_after_the_purge(tell: Telling) -> None:
    """An event fails and waits. Its user is erased, everybody passes that, and the tombstone is purged and forgotten."""
    tell.begin_with(1)
    tell.write("change_email", FIRST)
    tell.send()
    tell.arrive(poison=True)
    tell.write("erase", FIRST)
    tell.send()
    tell.arrive()
    tell.pulled("billing")
    tell.report("billing")
    tell.purge("", 1)
    tell.repair("billing", None, False)
    tell.retry()


def a_pull_dies_behind_its_first_page(tell: Telling) -> None:
    tell.begin_with(2)
    tell.write("suspend", FIRST)
    tell.catch_up("billing", 10, "pull.committed", 1, None)


def an_overdue_invoice_comes_twice(tell: Telling) -> None:
    """Its user was made active again between, and stays active."""
    tell.begin_with(1)
    tell.bill(FIRST)
    tell.relay("billing", 3, "", 1)
    tell.deliver(0, newest=True, crash="", poison=False)
    tell.write("reactivate", FIRST)
    tell.deliver_again(0, 0, "", mixed=False)


def a_worker_dies_between_its_two_writes(tell: Telling) -> None:
    tell.begin_with(1)
    tell.write("suspend", FIRST)
    tell.send()
    tell.deliver(0, newest=True, crash="inbox.deduplicated", poison=False)
    tell.deliver(0, newest=True, crash="", poison=False)


def a_late_event_comes_behind_a_newer_one(tell: Telling) -> None:
    tell.begin_with(1)
    for what in ("suspend", "reactivate"):
        tell.write(what, FIRST)
        tell.relay("users", 1, "", 1)
    tell.deliver(0, newest=True, crash="", poison=False)
    tell.deliver(0, newest=False, crash="", poison=False)


def a_slow_writer_commits_behind_a_quick_one(tell: Telling) -> None:
    """Only with two writers at a time."""
    tell.begin_with(0)
    if tell.life.system.writes_beside:
        tell.write_slowly()
        tell.write("register", FIRST)
        tell.stamp(None)
        tell.pulled("billing")
        tell.end_slowly(True)
        tell.pulled("billing")


def an_authority_is_set_back_and_passes_its_old_head(tell: Telling) -> None:
    """A suspension of the lost history is active again, and its position belongs to another change."""
    tell.begin_with(2)
    tell.back_up(("users",))
    tell.write("suspend", FIRST)
    tell.send()
    tell.arrive()
    tell.report("billing")
    tell.set_back(("users",), 0)
    tell.write("register", FIRST)
    tell.write("register", FIRST)
    tell.pulled("billing")
    tell.decide(Policy.HOLD)


def an_erased_user_is_revived_by_a_backup(tell: Telling) -> None:
    """And written to until no version shows it."""
    tell.begin_with(1)
    tell.register(second.NAME)
    tell.bootstrapped(second.NAME)
    tell.back_up(("users",))
    tell.write("erase", FIRST)
    tell.pulled("billing")
    tell.pulled(second.NAME)
    tell.set_back(("users",), 0)
    for what in ("change_email", "suspend", "reactivate"):
        tell.write(what, FIRST)
    for name in ("billing", second.NAME):
        tell.repair(name, None, True)
        tell.tend(name)
        tell.pulled(name)
    tell.decide(Policy.ASK)


def both_sides_are_set_back(tell: Telling) -> None:
    """Each to its own moment, the copy to the later one."""
    tell.begin_with(3)
    tell.back_up(("users",))
    tell.write("suspend", FIRST)
    tell.pulled("billing")
    tell.back_up(("billing",))
    tell.write("reactivate", FIRST)
    tell.pulled("billing")
    tell.set_back(("users", "billing"), 0)
    tell.write("change_email", FIRST)
    tell.heartbeat()
    tell.report("billing")
    tell.decide(None)


def an_event_of_a_lost_history_had_no_position(tell: Telling) -> None:
    """Its user had changed again when it was sent. No contact shows that its history is lost, but a comparison does."""
    tell.begin_with(1)
    tell.back_up(("users",))
    tell.write("register", FIRST)
    tell.write("change_email", SECOND)
    tell.relay("users", 1, "", 1)
    tell.arrive()
    tell.set_back(("users",), 0)
    tell.report("billing")
    tell.repair("billing", None, False)


def a_deleted_row_is_looked_up_and_comes_again(tell: Telling) -> None:
    """The copy learns of the deletion from the answer to a decision. The row with the same id then lives in the copy."""
    tell.begin_with(1)
    tell.write_silently("delete", FIRST)
    tell.decide(Policy.ASK)
    tell.write_silently("again", FIRST)


def a_deletion_is_announced_and_its_row_comes_again(tell: Telling) -> None:
    """The events of both arrive in the wrong order, then the older one again. A second copy pulls both."""
    tell.begin_with(1)
    tell.register(second.NAME)
    tell.bootstrapped(second.NAME)
    tell.write_silently("delete", FIRST)
    tell.pulled(second.NAME)
    tell.republish("")
    tell.write_silently("again", FIRST)
    tell.republish("")
    tell.send()
    tell.deliver_together(0, "")
    tell.deliver_again(0, 0, "", mixed=False)
    tell.pulled(second.NAME)


def an_erased_row_is_deleted_and_comes_again(tell: Telling) -> None:
    """A backup revives an erased user at the authority, where the row is deleted and inserted again. The copy keeps the erasure."""
    tell.begin_with(1)
    tell.back_up(("users",))
    tell.write("erase", FIRST)
    tell.pulled("billing")
    tell.set_back(("users",), 0)
    tell.write("register", FIRST)  # so that the deletion has a higher position than the erasure had, and a higher version
    tell.write("change_email", FIRST)
    tell.write_silently("delete", FIRST)
    tell.pulled("billing")
    tell.write_silently("again", FIRST)
    tell.pulled("billing")
    tell.decide(Policy.ASK)


#: Stories by name.
STORIES: dict[str, Callable[[Telling], None]] = {
    told.__name__: told
    for told in (
        the_newest_comes_first_in_a_message,
        a_pull_dies_behind_its_first_page,
        an_erased_row_is_written_to_and_pulled,
        a_copy_is_begun_long_after_a_purge,
        a_copy_is_killed_below_the_floor,
        what_was_pulled_and_never_sent_is_purged,
        what_failed_is_tried_again_after_the_purge,
        an_overdue_invoice_comes_twice,
        a_worker_dies_between_its_two_writes,
        a_late_event_comes_behind_a_newer_one,
        a_slow_writer_commits_behind_a_quick_one,
        an_authority_is_set_back_and_passes_its_old_head,
        an_erased_user_is_revived_by_a_backup,
        both_sides_are_set_back,
        an_event_of_a_lost_history_had_no_position,
        a_deleted_row_is_looked_up_and_comes_again,
        a_deletion_is_announced_and_its_row_comes_again,
        an_erased_row_is_deleted_and_comes_again,
    )
}


def tell_by_hand(system: System, name: str) -> None:
    """Run the story and its end: the faults stop, and every copy is equal."""
    telling = Telling(system)
    STORIES[name](telling)
    telling.life.teardown()

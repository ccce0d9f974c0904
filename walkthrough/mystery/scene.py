"""The tools with which a fault begins: a little traffic, so that its symptoms show, and the ticket that comes of it."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from billing.models import Invoice
from billing.services import invoices_generate
from users.models import User
from users.services import user_suspend
from walkthrough.control.processes import WouldNot
from walkthrough.mystery.state import Ticket
from walkthrough.observe import facts

#: Users that change at once, months that may be invoiced until a symptom shows, and seconds that a step of the traffic may take.
CHANGED, MONTHS, PATIENCE = 6, 3, 20.0
#: Seconds between suspensions and invoices. An event takes a tenth of that, so a good system would be in time.
BETWEEN = 0.8
REASONS = ("fraud", "a chargeback", "a stolen card")


class Scene:
    """One fault's beginning. The seed decides who is in it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"scene {seed}")
        self.reason = self.dice.choice(REASONS)

    def active(self, number: int = CHANGED) -> list[User]:
        """Choose active users."""
        return self.dice.sample(facts.active(1000), number)

    def suspended(self) -> User:
        """Choose a user who was suspended before."""
        return self.dice.choice(list(User.objects.using("users").filter(status="suspended").order_by("created_at", "id")))

    def suspend(self, users: Sequence[User]) -> dict[UUID, datetime]:
        """Suspend them; returns when, by a clock on the wall."""
        times = {}
        for user in users:
            user_suspend(user_id=user.pk, reason=self.reason)
            times[user.pk] = timezone.now()
        return times

    def suspended_and_invoiced(self) -> Ticket:
        """Suspend users and write a month's invoices right after: who isn't suspended in billing's copy yet gets one."""
        for month in range(MONTHS):
            chosen = self.active()
            times, period = self.suspend(chosen), facts.month(month)
            time.sleep(BETWEEN)
            invoices_generate(period=period)
            wrong = {one.user_id: one for one in Invoice.objects.using("billing").filter(period=period, user_id__in=times)}
            for user in chosen:
                if user.pk in wrong:
                    return self.invoiced_in_spite(user, times[user.pk], wrong[user.pk])
        raise WouldNot("Billing knew of each suspension in time, so there is nothing to find out. Start another mystery.")

    def invoiced_in_spite(self, user: User, suspended_at: datetime, invoice: Invoice) -> Ticket:
        """The ticket about a suspended user who was invoiced."""
        return Ticket(
            f"{user.name} was suspended at {clock(suspended_at)} because of {self.reason}. "
            f"At {clock(invoice.issued_at)} an invoice for {invoice.period} went out to {user.name} all the same.",
            str(user.pk),
        )

    def until(self, probe: Callable[[], object], what: str) -> None:
        """Wait until it is so. Raises `WouldNot`."""
        limit = time.monotonic() + PATIENCE
        while not probe():
            if time.monotonic() > limit:
                raise WouldNot(f"The mystery couldn't be prepared: {what} took longer than {PATIENCE:.0f} s. Start it again.")
            time.sleep(0.05)

    def until_sent(self) -> None:
        """Wait until the relay has taken every event."""
        self.until(lambda: facts.unsent() == 0, "sending the events")

    def until_copied(self, users: Sequence[User], status: str) -> None:
        """Wait until billing's copy says so of each of them."""
        self.until(lambda: all(facts.copied_status(user.pk) == status for user in users), "the way of the events to billing")


def clock(moment: datetime) -> str:
    """A time of day for a ticket, to a tenth of a second."""
    return f"{moment:%H:%M:%S.%f}"[:10]

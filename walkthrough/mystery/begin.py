"""How each fault begins: what is broken in the running system, and the traffic that makes its symptoms show.

Faults between relay and broker, in the publisher and in its clock are concealed (`walkthrough.control.concealed`). They are on
already when these functions run.
"""

import time
import uuid
from datetime import timedelta

from django.utils import timezone

from billing.models import CachedUser, Invoice
from billing.services import invoices_generate
from messaging.publisher import entries
from walkthrough.control import broker, processes, set_back
from walkthrough.lab import damage
from walkthrough.mystery.scene import BETWEEN, Scene, clock
from walkthrough.mystery.state import Ticket
from walkthrough.observe import facts


def relay_stopped(scene: Scene) -> Ticket:
    processes.stop("relay-users")
    return scene.suspended_and_invoiced()


def worker_killed(scene: Scene) -> Ticket:
    processes.kill_for_good("worker-billing")
    return scene.suspended_and_invoiced()


def tend_stopped(scene: Scene) -> Ticket:
    """A few deliveries are lost, which is no fault by itself: the sync process fills such gaps."""
    processes.stop("tend-billing")
    ticket = scene.suspended_and_invoiced()
    scene.until_sent()
    return ticket


def by_switch(scene: Scene) -> Ticket:
    """The concealed switches are the whole fault."""
    return scene.suspended_and_invoiced()


def queue_flushed(scene: Scene) -> Ticket:
    processes.stop("worker-billing")
    ticket = scene.suspended_and_invoiced()
    scene.until_sent()
    broker.empty()
    processes.start("worker-billing")
    return ticket


def copy_tampered(scene: Scene) -> Ticket:
    kind = scene.dice.choice(sorted(TAMPERED))
    return TAMPERED[kind](scene)


def authority_set_back(scene: Scene) -> Ticket:
    backup = set_back.Backup()
    *lost, later = scene.active()
    times = scene.suspend(lost)
    scene.until_copied(lost, "suspended")
    backup.put_back()
    scene.suspend([later])  # the same positions again, in another history
    scene.until(lambda: facts.progress().doubt, "billing's notice of the other history")
    user = lost[0]
    return Ticket(
        f"{user.name} was suspended at {clock(times[user.pk])} because of {scene.reason}. Now {user.name} is back and orders as "
        "if nothing had happened. Nobody here reactivated the account.",
        str(user.pk),
    )


def token_expired(scene: Scene) -> Ticket:
    """A few deliveries are lost, which is no fault by itself: the sync process fills such gaps."""
    entries.change("users", "billing", token_expires_at=timezone.now() - timedelta(minutes=1))
    ticket = scene.suspended_and_invoiced()
    scene.until_sent()
    return ticket


def clock_slow(scene: Scene) -> Ticket:
    invoices_generate(period=facts.month())
    chosen = scene.active()
    user, invoices = chosen[0], Invoice.objects.using("billing")
    invoice = invoices.get(user_id=chosen[0].pk)
    time.sleep(BETWEEN)
    times = scene.suspend(chosen)
    scene.until_copied(chosen, "suspended")
    scene.until(invoices.filter(pk=invoice.pk).exclude(review_reason="").exists, "the flagging of an invoice")
    return Ticket(
        f"{user.name} got an invoice at {clock(invoice.issued_at)}, and was suspended at {clock(times[user.pk])}, after that. "
        "Billing flagged the invoice for review all the same, as if it should never have been written.",
        str(user.pk),
    )


# --- The kinds of tampering ---


def _missing(scene: Scene) -> Ticket:
    user = scene.active(1)[0]
    damage.TAMPERING["missing"](CachedUser.objects.using("billing").get(pk=user.pk), user.name)
    period = facts.month()
    invoices_generate(period=period)
    return Ticket(
        f"{user.name} is an active customer and waits for the invoice for {period}. All others got theirs at "
        f"{clock(timezone.now())}.",
        str(user.pk),
    )


def _corrupt(scene: Scene) -> Ticket:
    user = scene.suspended()
    damage.TAMPERING["corrupt"](CachedUser.objects.using("billing").get(pk=user.pk), user.name)
    period = facts.month()
    invoices_generate(period=period)
    invoice = Invoice.objects.using("billing").get(user_id=user.pk, period=period)
    return Ticket(
        f"{user.name} has been suspended since {user.status_since:%Y-%m-%d}. At {clock(invoice.issued_at)} an invoice for {period} "
        f"went out to {user.name} all the same.",
        str(user.pk),
    )


def _ahead(scene: Scene) -> Ticket:
    user = scene.active(1)[0]
    damage.TAMPERING["ahead"](CachedUser.objects.using("billing").get(pk=user.pk), user.name)
    times, period = scene.suspend([user]), facts.month()
    before = facts.counts()["obsolete"]
    scene.until(lambda: facts.counts()["obsolete"] > before, "the way of an event to billing")
    invoices_generate(period=period)
    return scene.invoiced_in_spite(user, times[user.pk], Invoice.objects.using("billing").get(user_id=user.pk, period=period))


def _ghost(scene: Scene) -> Ticket:
    """The row is of a suspended user, so nobody writes an invoice to a person who doesn't exist."""
    long_ago = timezone.now() - timedelta(days=30)
    CachedUser.objects.using("billing").create(
        user_id=uuid.UUID(int=scene.dice.getrandbits(128), version=4),
        status=CachedUser.Status.SUSPENDED,
        status_since=long_ago,
        version=1,
        source=CachedUser.Source.BOOTSTRAP,
        authority_time=long_ago,
        received_at=timezone.now(),
    )
    number = facts.copies()
    return Ticket(f"Billing's report counts {number} customers. The list of users has {number - 1}. Which of the two is right?")


TAMPERED = {"missing": _missing, "corrupt": _corrupt, "ahead": _ahead, "ghost": _ghost}

BEGIN = {
    "relay-stopped": relay_stopped,
    "worker-killed": worker_killed,
    "tend-stopped": tend_stopped,
    "deliveries-dropped": by_switch,
    "deliveries-repeated": by_switch,
    "events-not-recorded": by_switch,
    "queue-flushed": queue_flushed,
    "copy-tampered": copy_tampered,
    "authority-set-back": authority_set_back,
    "token-expired": token_expired,
    "contract-changed": by_switch,
    "clock-slow": clock_slow,
}

"""Refuse databases that hold more than demo data. Chapters and lab delete and change rows, so they check before each act: the
databases may have changed since the stage was set."""

from django.db.models import Q

from billing.models import Invoice
from messaging.events.text import plural
from messaging.models import Ledger
from monolith.models import User as OldUser
from users.models import User

#: Domains that nobody owns: RFC 2606.
DOMAINS = ("@example.org", "@example.com", "@example.net")
#: Invoiced users that are looked up. If these are known, the others are, too.
MOST = 1000
ELSEWHERE = "Give it its own databases: VAR_DIR=var/walk make run, or set other *_DATABASE_URL variables."


class RealData(Exception):
    """The databases hold other data than demo data. The text may be shown."""


def check() -> None:
    """Raise `RealData` for users with addresses outside `DOMAINS`, and for invoices to users that no context here ever had."""
    for alias, model in (("users", User), ("monolith", OldUser)):
        demo = Q(status="erased", email="")
        for domain in DOMAINS:
            demo |= Q(email__endswith=domain)
        if model._base_manager.using(alias).exclude(demo).exists():
            raise RealData(f"The database of {alias} holds real e-mail addresses, so the walkthrough doesn't touch it. {ELSEWHERE}")
    invoiced = {str(key) for key in Invoice.objects.using("billing").order_by().values_list("user_id", flat=True).distinct()[:MOST]}
    for alias in ("users", "monolith"):
        known = Ledger.objects.using(alias).filter(aggregate=f"{alias}.user", aggregate_id__in=invoiced)
        invoiced -= set(known.values_list("aggregate_id", flat=True))
    if invoiced:
        raise RealData(
            f"The database of billing holds invoices to {plural(len(invoiced), 'user')} that neither users nor the monolith ever "
            f"had. They aren't demo data, so the walkthrough doesn't touch them. {ELSEWHERE}"
        )

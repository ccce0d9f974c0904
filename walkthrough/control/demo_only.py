"""Whether the contexts' databases hold made-up data only. Chapters and lab wipe and falsify what is in them, so they ask here
first, each time: the databases may be others than they were when the stage was set."""

from django.db.models import Q

from billing.models import Invoice
from messaging.events.text import plural
from messaging.models import Ledger
from monolith.models import User as OldUser
from users.models import User

#: Domains that nobody has: RFC 2606.
DOMAINS = ("@example.org", "@example.com", "@example.net")
#: Invoices' users that are looked up; where so many are known, the others are as well.
MOST = 1000
ELSEWHERE = "Start it on databases of its own: VAR_DIR=var/walk make run, or other *_DATABASE_URLs."


class RealData(Exception):
    """The databases hold what wasn't made up. The text may be shown."""


def check() -> None:
    """Raises `RealData` for users with other addresses than those of `DOMAINS`, and for invoices to users whom nobody here had."""
    for alias, model in (("users", User), ("monolith", OldUser)):
        made_up = Q(status="erased", email="")
        for domain in DOMAINS:
            made_up |= Q(email__endswith=domain)
        if model._base_manager.using(alias).exclude(made_up).exists():
            raise RealData(f"The database of {alias} holds users with real addresses; the walkthrough touches none. {ELSEWHERE}")
    invoiced = {str(key) for key in Invoice.objects.using("billing").order_by().values_list("user_id", flat=True).distinct()[:MOST]}
    for alias in ("users", "monolith"):
        known = Ledger.objects.using(alias).filter(aggregate=f"{alias}.user", aggregate_id__in=invoiced)
        invoiced -= set(known.values_list("aggregate_id", flat=True))
    if invoiced:
        raise RealData(
            f"The database of billing holds invoices to {plural(len(invoiced), 'user')} whom neither users nor the monolith ever "
            f"had, so they weren't made up here; the walkthrough touches none. {ELSEWHERE}"
        )

"""Exclusive locks across machines: a lease is a row with an owner and an end, in the context's own database.

A session lock of the database would not do. Behind a pooler that gives each transaction another server connection, it is taken on
one connection and released on another, so it stays held (https://www.pgbouncer.org/features.html).

The holder renews its lease. If the holder is killed, the lease ends by itself. On the same machine nobody waits for that: the
holder also locks a file, which the system unlocks when the process ends.
"""

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, IntegrityError, InterfaceError, connections
from django.db.models import ExpressionWrapper, Q
from django.db.models.fields import DateTimeField
from django.db.models.functions import Now

from messaging import settings
from messaging.database import errors, file_lock
from messaging.errors import Held
from messaging.models import Lease

log = logging.getLogger(__name__)

#: How long a lease lasts, and the seconds between two renewals.
LASTS = timedelta(seconds=60)
RENEWED_SECONDS = 15.0
_ENDS = ExpressionWrapper(Now() + LASTS, output_field=DateTimeField())


@contextmanager
def exclusive(using: str, purpose: str) -> Iterator[None]:
    """Hold the lease of a context for a purpose. Raises `Held` at once if another process has it.

    Enter it outside a transaction. A holder that can't reach the database until the lease ends continues without it. So the work
    inside must be safe even if two processes do it at once; the lease only saves doing it twice.
    """
    name, owner = _name(using, purpose), secrets.token_hex(8)
    with file_lock.exclusive(using, purpose) as machine:
        if not _taken(using, name, owner, machine):
            raise Held(name)
        done = threading.Event()
        renewing = threading.Thread(target=_renew, args=(using, name, owner, done), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()
            _release(using, name, owner)


def held(using: str, purpose: str) -> bool:
    """Return True if some process has that lease. A killed process has it until it ends."""
    return Lease.objects.using(using).filter(name=_name(using, purpose), ends__gte=Now()).exists()


def _name(using: str, purpose: str) -> str:
    return f"{settings.owner(using)}: {purpose}"


def _taken(using: str, name: str, owner: str, machine: str) -> bool:
    leases = Lease.objects.using(using)
    free = leases.filter(Q(ends__lt=Now()) | Q(machine=machine), name=name)
    if free.update(owner=owner, machine=machine, ends=_ENDS):
        return True
    try:
        leases.create(name=name, owner=owner, machine=machine, ends=_ENDS)
    except IntegrityError:
        return False
    return True


def _renew(using: str, name: str, owner: str, done: threading.Event) -> None:
    try:
        while not done.wait(RENEWED_SECONDS):
            try:
                if not Lease.objects.using(using).filter(name=name, owner=owner).update(ends=_ENDS):
                    log.warning("%s: our lease has ended, so another process may do the same work now", name)
                    return
            except (DatabaseError, InterfaceError) as error:
                if not errors.passing(error):
                    raise
                connections[using].close()  # the next try opens a new one; the lease lasts for several tries
    finally:
        connections[using].close()


def _release(using: str, name: str, owner: str) -> None:
    try:
        Lease.objects.using(using).filter(name=name, owner=owner).delete()
    except (DatabaseError, InterfaceError) as error:
        if not errors.passing(error):
            raise
        connections[using].close()  # the lease ends by itself

"""One at a time, across machines: a lease, which is a row with an owner and an end, in the context's own database.

Not a lock of the database's session: behind a pooler that gives each transaction another server connection, it is taken on one of
them and given back on another, and stays held for ever (https://www.pgbouncer.org/features.html).

Who holds a lease renews it; who is killed can't, and it ends by itself. On the same machine nobody has to wait for that: a file is
locked too, which the system unlocks with the process, so the next one here knows that the last one is gone.
"""

import fcntl
import functools
import hashlib
import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from django.db import DatabaseError, IntegrityError, InterfaceError, connections
from django.db.models import ExpressionWrapper, Q
from django.db.models.fields import DateTimeField
from django.db.models.functions import Now

from messaging import settings
from messaging.database import errors
from messaging.errors import Held
from messaging.models import Lease

log = logging.getLogger(__name__)

#: How long a lease lasts, and the seconds after which it is renewed.
LASTS = timedelta(seconds=60)
RENEWED_SECONDS = 15.0
_ENDS = ExpressionWrapper(Now() + LASTS, output_field=DateTimeField())


@contextmanager
def exclusive(using: str, purpose: str) -> Iterator[None]:
    """Hold the lease of a context for a purpose; raises `Held` at once where somebody else has it.

    Must be entered outside a transaction. The lease is its holder's until it ends by the database's clock: who can't reach the
    database for that long goes on without it. So what is done behind it has to be safe beside another who does the same; the lease
    saves them from doing it twice.
    """
    name, owner = _name(using, purpose), secrets.token_hex(8)
    with _file(using, purpose) as machine:
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
    """Whether somebody has that lease now; of who was killed, until it ends."""
    return Lease.objects.using(using).filter(name=_name(using, purpose), ends__gte=Now()).exists()


def _name(using: str, purpose: str) -> str:
    return f"{using}: {purpose}"


@functools.cache
def this_machine() -> str:
    """What tells this machine, since it started, from a clone of it: its host's name, and its ids where there are any."""
    ids = [socket.gethostname()]
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with suppress(OSError):
            ids.append(Path(path).read_text())
    return "\0".join(ids)


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
                    log.warning("%s is done by somebody else too: our lease had ended", name)
                    return
            except (DatabaseError, InterfaceError) as error:
                if not errors.passing(error):
                    raise
                connections[using].close()  # the next try has a connection of its own, and the lease lasts for some of them
    finally:
        connections[using].close()


def _release(using: str, name: str, owner: str) -> None:
    try:
        Lease.objects.using(using).filter(name=name, owner=owner).delete()
    except (DatabaseError, InterfaceError) as error:
        if not errors.passing(error):
            raise
        connections[using].close()  # it ends by itself


@contextmanager
def _file(using: str, purpose: str) -> Iterator[str]:
    """Lock this machine's file of the lease; gives what the machine is called in the row. Raises `Held`.

    That is made of a random word in the file, and of the machine, since files are copied: who has locked the file that holds the
    word knows that nobody else here does. Where no file can be
    written or locked it is a word that nobody else has, and a killed holder's lease has to end by itself.
    """
    try:
        file = _opened(using, purpose)
    except OSError:
        yield secrets.token_hex(16)
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            word = _word(file)
        except BlockingIOError:
            raise Held(purpose) from None
        except OSError:  # a file system without locks, or a full disk
            word = secrets.token_hex(16)
        yield word


def _opened(using: str, purpose: str) -> TextIO:
    folder = settings.wake_folder()
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"{using}-{purpose}.lock").open("a+")
    file.seek(0)
    return file


def _word(file: TextIO) -> str:
    known = file.read(32).strip()
    if not known:
        known = secrets.token_hex(16)
        os.write(file.fileno(), known.encode())  # at once, so that closing has nothing left that a full disk could refuse
    return hashlib.sha256(f"{known}\0{this_machine()}".encode()).hexdigest()[:32]

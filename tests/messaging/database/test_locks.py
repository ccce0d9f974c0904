"""Only one at a time: a lease in the database, which ends with its holder or by itself."""

import errno
import fcntl
import io
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now

from messaging.database import file_lock, locks
from messaging.errors import Held
from messaging.models import Lease
from tests.delivery.stack import ROOT, database_url
from tests.pooled import pooled
from tests.probes import wait_for
from tests.read_only import read_only

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def held(using, purpose):
    try:
        with locks.exclusive(using, purpose):
            return False
    except Held:
        return True


def test_one_at_a_time_and_the_next_one_afterwards():
    with locks.exclusive("billing", "bootstrap-users"):
        assert held("billing", "bootstrap-users")
    assert not held("billing", "bootstrap-users")
    assert not Lease.objects.using("billing").exists()


def test_two_contexts_and_two_purposes_dont_meet():
    """In whichever database they are: the lease's name has both."""
    with locks.exclusive("billing", "bootstrap-users"), locks.exclusive("users", "bootstrap-users"):
        assert not held("billing", "bootstrap-monolith")
        assert list(Lease.objects.using("billing").values_list("name", flat=True)) == ["billing: bootstrap-users"]


def test_behind_a_pooler_that_pools_transactions_it_is_given_back():
    if connections["billing"].vendor != "postgresql":
        pytest.skip("a pooler is PostgreSQL's")
    with pooled("billing"):
        for _ in range(3):
            assert not held("billing", "bootstrap-users")


HOLDER = """
import django, os, time
django.setup()
from messaging.database import file_lock, locks
with locks.exclusive("billing", "bootstrap-users"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder():
    """Return a function that starts a process with the lease, optionally with the lock files of another machine."""
    processes = []

    def start(wake_folder):
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "VAR_DIR": str(wake_folder)}
        environment |= {"BILLING_DATABASE_URL": database_url("billing")}
        process = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_holder_that_was_killed_holds_nobody_up_on_its_machine(holder, tmp_path, settings):
    settings.MESSAGING = {**settings.MESSAGING, "WAKE_FOLDER": tmp_path / "wake"}
    process = holder(tmp_path)
    assert held("billing", "bootstrap-users")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not held("billing", "bootstrap-users")


def test_elsewhere_its_lease_has_to_end(holder, tmp_path, settings):
    settings.MESSAGING = {**settings.MESSAGING, "WAKE_FOLDER": tmp_path / "of another machine"}
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert held("billing", "bootstrap-users")
    Lease.objects.using("billing").update(ends=Now() - timedelta(seconds=1))
    assert not held("billing", "bootstrap-users")


def test_a_copy_of_the_file_on_another_machine_takes_no_lease_that_is_alive(tmp_path, monkeypatch, settings):
    """A clone, an image or a backup includes `var/` with the lease's file."""
    here, there = tmp_path / "here", tmp_path / "there"
    settings.MESSAGING = {**settings.MESSAGING, "WAKE_FOLDER": here}
    with locks.exclusive("billing", "bootstrap-users"):
        shutil.copytree(here, there)
        settings.MESSAGING = {**settings.MESSAGING, "WAKE_FOLDER": there}
        monkeypatch.setattr(socket, "gethostname", lambda: "another")
        file_lock.this_machine.cache_clear()
        assert held("billing", "bootstrap-users")
    file_lock.this_machine.cache_clear()


def test_a_lease_that_is_held_is_renewed(monkeypatch):
    monkeypatch.setattr(locks, "RENEWED_SECONDS", 0.01)

    def ends():
        return Lease.objects.using("billing").get().ends

    with locks.exclusive("billing", "bootstrap-users"):
        first = ends()
        wait_for(lambda: ends() > first, timeout=10, what="the lease to be renewed")


def test_a_lease_taken_by_another_process_is_logged_and_not_released(monkeypatch, caplog):
    monkeypatch.setattr(locks, "RENEWED_SECONDS", 0.01)
    with locks.exclusive("billing", "bootstrap-users"):
        Lease.objects.using("billing").update(owner="another")
        wait_for(lambda: "our lease has ended" in caplog.text, timeout=10, what="the holder to notice")
    assert Lease.objects.using("billing").get().owner == "another"


def test_a_database_that_went_read_only_meanwhile_hides_no_other_error():
    lease = locks.exclusive("billing", "bootstrap-users")
    lease.__enter__()
    with read_only("billing"):
        assert lease.__exit__(ZeroDivisionError, ZeroDivisionError(), None) is False
    assert Lease.objects.using("billing").exists()  # it ends by itself


def test_without_a_writable_file_only_the_row_counts(tmp_path, settings):
    (tmp_path / "file").touch()
    settings.MESSAGING = {**settings.MESSAGING, "WAKE_FOLDER": tmp_path / "file" / "wake"}
    with locks.exclusive("billing", "bootstrap-users"):
        assert held("billing", "bootstrap-users")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_without_file_locks_only_the_row_counts(monkeypatch, number):
    """As on some network file systems; the test has none."""

    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locks.exclusive("billing", "bootstrap-users"):
        assert held("billing", "bootstrap-users")


def test_on_a_full_disk_the_row_alone_counts(monkeypatch):
    full = pathlib.Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")

    class Empty(io.TextIOWrapper):
        def read(self, *arguments):
            return ""  # that file is full of NUL

    monkeypatch.setattr(file_lock, "_opened", lambda using, purpose: Empty(full.open("r+b")))
    with locks.exclusive("billing", "bootstrap-users"):
        assert held("billing", "bootstrap-users")

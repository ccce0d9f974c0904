"""A split with real processes: four writers that never stop, the mover killed twice, a flip and a flip back. Nothing is lost."""

import json

import pytest

from billing.models import Invoice as BillingInvoice
from messaging.models import Incident
from messaging.replica import compare
from messaging.replica.replica import Replica
from messaging.split import move
from monolith.models import Invoice, User
from tests.probes import wait_for
from users.models import User as Moved

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("unguarded")]
PATIENCE = 60
WRITERS = ("1", "2", "3", "4")
#: Writes of each writer that must have been acknowledged at a place before the test goes on.
ENOUGH = 10


@pytest.fixture
def broker():
    """Followers need none."""
    return "memory://"


@pytest.fixture
def writing(stack, tmp_path, settings):
    """The contexts' server, what tends their copies, and a populated monolith; yields what starts the writers."""
    users = [User(email=f"old{n}@example.org", name="Old") for n in range(300)]
    users += [User(email=f"owner-{name}@example.org", name="Owner") for name in WRITERS]
    User.objects.using("monolith").bulk_create(users)
    Invoice.objects.using("monolith").bulk_create(
        Invoice(user=user, period="2026-11", amount_minor=1900, currency="EUR", billed_to="Old") for user in users
    )
    url = stack.web()
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: url}
    for context in ("users", "billing", "monolith"):
        stack.tend(context)
    return lambda kind: [stack.writer(kind, name, tmp_path) for name in WRITERS]


def acknowledged(folder):
    """[place, id, row] of each write that was committed, by writer, in its order."""
    files = {name: folder / f"{name}.log" for name in WRITERS}
    return {
        name: [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        if file.exists()
        else []
        for name, file in files.items()
    }


def wait_for_writes_at(place, folder, stack):
    """Every writer has written there, and more than once, since now."""
    before = {name: len(rows) for name, rows in acknowledged(folder).items()}

    def enough():
        died = [name for name in WRITERS if stack.processes[f"writer-{name}"].poll() is not None]
        assert not died, stack.tail()
        return all(sum(row[0] == place for row in rows[before[name] :]) >= ENOUGH for name, rows in acknowledged(folder).items())

    def seen():
        counts = {name: [row[0] for row in rows[before[name] :]].count(place) for name, rows in acknowledged(folder).items()}
        return f"{counts}\n{stack.tail()}"

    wait_for(enough, timeout=PATIENCE, what=f"four writers to write at {place}", seen=seen)


def split(stack, *words, kill_at="", code=0):
    process = stack.manage("split", *words, "--page-size", "100" if kill_at else "1000", kill_at=kill_at)
    ended = process.wait(timeout=PATIENCE)
    assert ended == code, stack.tail()


def rows_of(kind):
    """Both sides' rows: id to the values that the writers know."""
    old, new, names = (
        (User.objects.using("monolith"), Moved.objects.using("users"), ("email", "name", "status"))
        if kind == "users"
        else (
            Invoice.objects.using("monolith"),
            BillingInvoice.objects.using("billing"),
            ("period", "amount_minor", "status"),
        )
    )
    return [{str(row.pop("id")): row for row in rows.values("id", *names)} for rows in (old, new)]


@pytest.mark.parametrize("kind", ["users", "billing"])
def test_nothing_is_lost_while_four_writers_write_and_the_mover_is_killed_twice(stack, writing, tmp_path, kind):
    writers = writing(kind)
    wait_for_writes_at("monolith", tmp_path, stack)
    split(stack, kind, kill_at="pull.committed:2", code=-9)
    split(stack, kind)
    wait_for_writes_at("monolith", tmp_path, stack)
    split(stack, kind, "--flip", kill_at="split.taken:1", code=-9)  # nobody owns the rows now, and nobody may write
    split(stack, kind, "--flip")
    wait_for_writes_at(kind, tmp_path, stack)
    split(stack, kind, "--back")
    wait_for_writes_at("monolith", tmp_path, stack)
    split(stack, kind, "--flip")
    wait_for_writes_at(kind, tmp_path, stack)
    (tmp_path / "stop").touch()
    assert [writer.wait(timeout=PATIENCE) for writer in writers] == [0, 0, 0, 0], stack.tail()

    found = move.split_of(kind)
    wait_for(
        lambda: move.standing(found)["lag"] == 0,
        timeout=PATIENCE,
        what="the monolith to follow",
        seen=lambda: f"{move.standing(found)}\n{stack.tail()}",
    )
    assert compare.compare(Replica.of("monolith", kind)).verdict == "in_sync"
    old, new = rows_of(kind)
    assert old == new
    expected = {key: row for rows in acknowledged(tmp_path).values() for _, key, row in rows}
    assert len(expected) > 4 * ENOUGH
    wrong = {key: (row, new.get(key)) for key, row in expected.items() if new.get(key) != row}
    assert not wrong
    assert len(new) == 304 + sum(row is not None for row in expected.values())
    assert not Incident.objects.using("users").exists()
    assert not Incident.objects.using("monolith").exists()

"""Marks come into a running system: `users` and `billing` are upgraded from the last release, one after the other, either side
first, while users are written. The last release is a copy of the project without what it didn't send, show or understand.

[production.md](../../docs/production.md) says that the order doesn't matter, and that one may go back.
"""

import json
import re
import shlex
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from config.runner.broker_server import broker as embedded
from tests.apart.deployment import Deployment
from tests.probes import wait_for
from walkthrough.control import project_copy

pytestmark = pytest.mark.timeout(500)  # eight waits of up to a minute
PATIENCE = 60.0
#: What the last release didn't send, show or understand, in (file, text, text before).
OF_USERS = (
    ("messaging/authority/service.py", "if marks is not None:", "if False:"),
    ("messaging/authority/service.py", "elif checkpoint is not None and consumer.marks:", "elif False:"),
    ("messaging/publisher/payloads.py", 'event["mark"], event["markbefore"] = known.mark, known.previous', "pass"),
    (
        "messaging/database/engines/sqlite.py",
        "FROM messaging_sequence s WHERE context = %s",
        "FROM messaging_sequence s WHERE context = %s AND false",
    ),
    ("messaging/publisher/relay.py", 'round_.mark if round_ and consumer.marks else ""', '""'),
    ("messaging/publisher/relay.py", "            marks.prune(self.using)\n", ""),
    ("messaging/publisher/page_sql.py", '            "erased": words.json_boolean("l.erased"),\n', ""),
)
OF_BILLING = (
    ("messaging/consumer/history.py", "        row.marks = None\n        return True\n", "        return True\n"),
    ("messaging/database/locks.py", "if not _taken(using, name, owner, machine):", "if False:"),
    # Its locks were a session's, so its sync process saw that a bootstrap ran.
    (
        "messaging/database/locks.py",
        "return Lease.objects.using(using).filter(name=_name(using, purpose), ends__gte=Now()).exists()",
        "return True",
    ),
    ("messaging/replica/pull.py", ", marks=marks_parameter(pairs)", ""),
    ("messaging/consumer/incoming.py", "        mark=envelope.mark,\n        previous_mark=envelope.markbefore,\n", ""),
    ("messaging/replica/compare.py", ', marks=""', ""),
    ("messaging/consumer/incoming.py", "class Heartbeat(BaseModel):", 'class Heartbeat(BaseModel, extra="forbid"):'),
    ("messaging/consumer/incoming.py", '    mark: str = Field(default="", max_length=32)\n', ""),
    ("messaging/tasks.py", "sign.mark", '""'),
)
PROGRAMS = {"users": ("web", "relay-users"), "billing": ("worker-billing", "tend-billing")}
REGISTER = {
    "users": "consumers register billing --to users --fields status,status_since "
    "--types users.user.created.v1,users.user.suspended.v1",
    "billing": "consumers register users --to billing --fields user_id --types billing.invoice.overdue.v1",
}
WRITER = """
import itertools, time
from users.services import user_register, user_suspend
for number in itertools.count():
    user = user_register(email=f"{number}@example.com", name="Ada")
    if number % 3 == 0:
        user_suspend(user_id=user.pk, reason="written beside the upgrade")
    time.sleep(0.1)
"""
AMISS = re.compile(r"Traceback|ERROR|CRITICAL|refuses|can't be synced|doubtful|is unfinished")


class Upgrade:
    """Both deployments, each with its files, and the last release's code."""

    def __init__(self, users: Deployment, billing: Deployment, last_release: Path) -> None:
        self.users, self.billing, self.last_release = users, billing, last_release
        self.boxes = {"users": users, "billing": billing}

    def prepare(self, context: str) -> dict[str, Any]:
        box = self.boxes[context]
        box.project = self.last_release
        box.manage("migrate", "-v0", "--database", context)
        keys = box.manage("signing_keys", context, "--json")["public_keys"]
        return {**box.manage(*shlex.split(REGISTER[context]), "--json"), "keys": ",".join(keys)}

    def run(self, context: str, project: Path = project_copy.ROOT) -> None:
        """Restart a side with a release's code."""
        box = self.boxes[context]
        box.end(*(name for name in PROGRAMS[context] if name in box.running))
        box.project = project
        box.start(*PROGRAMS[context])

    def both(self, project: Path = project_copy.ROOT) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda context: self.run(context, project), self.boxes))

    def row(self, context: str, columns: str, table: str, where: str = "true") -> Any:
        with closing(sqlite3.connect(self.boxes[context].folder / f"{context}.sqlite3", timeout=30)) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} WHERE {where}").fetchone()

    def copy(self) -> tuple[int, list[Any] | None]:
        """Billing's checkpoint, and the marks that it has; None: it knows that users sends none."""
        checkpoint, marks = self.row("billing", "checkpoint, marks", "messaging_subscription", "authority = 'users'")
        return checkpoint, json.loads(marks) if marks else None

    def told(self) -> bool | None:
        """What billing's `status` says of users' marks."""
        states = self.billing.manage("status", "--json")["consumers"]
        return next(state["marks"] for state in states if (state["consumer"], state["authority"]) == ("billing", "users"))

    def goes_on(self) -> int:
        """What is written from now on arrives. Returns up to where billing has it."""
        (head,) = self.row("users", "head", "messaging_sequence")
        wait_for(lambda: self.copy()[0] >= head + 5, timeout=PATIENCE, what=f"position {head + 5}", seen=self.seen)
        return self.copy()[0]

    def is_verified(self, since: int) -> None:
        """Users says that what billing has from this position on is of its history, and what is written from now on arrives."""

        def verified() -> bool:
            return any(position >= since and known for position, _, _, known in self.copy()[1] or [])

        wait_for(verified, timeout=PATIENCE, what=f"a pair from {since} on to be verified", seen=self.seen)
        assert self.row("users", "marks", "messaging_consumer", "name = 'billing'") == (1,)
        self.goes_on()

    def seen(self) -> str:
        return f"{self.copy()}\n{self.users.tail()}\n{self.billing.tail()}"


@pytest.fixture
def upgrade(tmp_path: Path) -> Iterator[Upgrade]:
    """Both sides run the last release, billing's copy is live, and users are written from now on."""
    with embedded() as url, project_copy.copied("last-release") as last_release:
        for path, now, before in (*OF_USERS, *OF_BILLING):
            project_copy.edit(last_release, path, now, before)
        boxes = {}
        for context in PROGRAMS:
            (tmp_path / context).mkdir()
            environment = {"CONTEXTS": context, "CELERY_BROKER_URL": url, "WEB_CONCURRENCY": "1"}
            boxes[context] = Deployment(f"Procfile.{context}", tmp_path / context, **environment)
        users, billing = boxes["users"], boxes["billing"]
        found = Upgrade(users, billing, last_release)
        with ThreadPoolExecutor() as pool:
            of_users, of_billing = pool.map(found.prepare, boxes)
        users.environment["BILLING_PUBLIC_KEYS"] = of_billing["keys"]
        reads = {"USERS_API_URL": users.url, "USERS_API_TOKEN": of_users["token"], "USERS_PUBLIC_KEYS": of_users["keys"]}
        billing.environment |= reads
        users.programs["writer"] = f"python manage.py shell -v0 -c {shlex.quote(WRITER)}"
        try:
            found.both(last_release)
            users.start("writer")
            assert billing.manage("bootstrap", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
            found.goes_on()
            yield found
        finally:
            users.stop()
            billing.stop()


def test_an_upgrade_of_either_side_first_loses_nothing_and_doubts_nothing(upgrade: Upgrade) -> None:
    upgrade.run("users")
    arrived = upgrade.goes_on()
    assert upgrade.row("users", "marks", "messaging_consumer", "name = 'billing'") == (0,)
    assert upgrade.copy()[1] is None
    upgrade.run("billing")
    upgrade.is_verified(since=arrived)
    arrived = upgrade.goes_on()
    upgrade.both()  # a restart
    upgrade.is_verified(since=arrived)

    upgrade.run(
        "users", upgrade.last_release
    )  # back, and this side first: the last release's worker refuses a heartbeat with a mark
    upgrade.goes_on()
    upgrade.run("billing", upgrade.last_release)
    upgrade.goes_on()
    upgrade.run("billing")  # and now the other way round
    wait_for(
        lambda: upgrade.copy()[1] is None, timeout=PATIENCE, what="billing to hear that users sends no marks", seen=upgrade.seen
    )
    arrived = upgrade.goes_on()
    assert upgrade.told() is False
    upgrade.run("users")
    upgrade.goes_on()
    # By a lease now; and it is the next contact.
    assert upgrade.billing.manage("bootstrap", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
    upgrade.is_verified(since=arrived)

    upgrade.users.end("writer")
    assert upgrade.billing.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
    assert upgrade.row("users", "count(*)", "users_user") == upgrade.row("billing", "count(*)", "billing_cacheduser")
    assert upgrade.row("billing", "kind, summary", "messaging_incident") is None  # so it never was in doubt
    assert upgrade.row("billing", "event_type, reason", "messaging_parked") is None
    amiss = [line for box in upgrade.boxes.values() for line in box.log.read_text().splitlines() if AMISS.search(line)]
    assert amiss == []

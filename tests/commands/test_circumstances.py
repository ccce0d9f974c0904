"""Every command while something that it needs doesn't answer: a clear sentence and a documented exit code, never a traceback.

The commands run as for a person, in separate processes with their own databases and a real web server.
"""

import json
import os
import re
import secrets
import socket
import subprocess
from contextlib import contextmanager, nullcontext
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests import warm
from tests.delivery.stack import ROOT, answers
from tests.engines import DATABASES
from tests.probes import wait_for

COMMANDS = """\
consumers register billing --to users
seed --users 3 --with-events
consumers list
consumers open billing --to users
bootstrap billing --from users
catch_up billing --from users
reconcile billing --from users
reconcile billing --from users --repair
consumers close billing --to users
tend billing
relay users
relay users --once
replay users --dry-run
replay users
republish users --dry-run
republish users
status
status --json
events
parked list billing
parked show billing 1
parked retry billing --all
parked discard billing --all --note why
purge users
generate_invoices --period 2026-11
generate_invoices --period 2026-11 --max-staleness 1s --policy ask
write_contracts users --check
check
check --database users --database billing
consumers revoke billing --from users
track users.user
untrack billing.invoice
track billing.invoice
""".splitlines()

#: The effect of each circumstance: exit codes other than 0 (or 2 for the unknown parked message), and the message.
NO_MIGRATION = dict.fromkeys(
    (line for line in COMMANDS if not line.startswith(("tend", "relay users", "write", "check", "events"))), 3
)
NO_AUTHORITY = {line: 3 for line in COMMANDS if line.startswith(("bootstrap", "catch_up", "reconcile"))}
OF_USERS = "consumers", "seed", "replay", "republish", "purge", "track users"
OF_BILLING = (
    *("bootstrap", "catch_up", "reconcile", "parked", "generate_invoices", "consumers list", "replay users --dry-run"),
    *("track billing", "untrack billing"),
)
CODES = {
    "nothing is migrated": {
        **NO_MIGRATION,
        "status": 1,
        "status --json": 1,
        "relay users --once": 3,
        "check --database users --database billing": 3,
    },
    "the web server is stopped": NO_AUTHORITY,
    "the users' database is away": {
        **NO_AUTHORITY,
        **{line: 3 for line in COMMANDS if line.startswith(OF_USERS)},
        "status": 1,
        "status --json": 1,
        "relay users --once": 3,
        "check --database users --database billing": 3,
    },
    "billing's database is away": {
        **{line: 3 for line in COMMANDS if line.startswith(OF_BILLING)},
        "status": 1,
        "status --json": 1,
        "check --database users --database billing": 3,
    },
    "the databases take no writes": {
        **{
            line: 3
            for line in COMMANDS
            if line.startswith(("consumers", "seed", "bootstrap", "catch_up", "reconcile", "purge", "track", "untrack"))
            or line in ("relay users --once", "replay users", "republish users")
        },
        "consumers list": 0,
    },
    "the broker is stopped": {
        "bootstrap billing --from users": 3,
        "relay users --once": 1,
        "replay users": 3,
        "status": 1,
        "status --json": 1,
    },
}
#: Every refusal has one of these words.
SAYS = {
    "nothing is migrated": ("manage.py migrate --database", "users at http", "create its tables: manage.py migrate"),
    "the web server is stopped": ("Check that users runs, and its address (MESSAGING['API_URL']).",),
    "the users' database is away": ("The database of users can't be", "users at http"),
    "billing's database is away": ("The database of billing can't be",),
    "the databases take no writes": ("It is read-only now, like a standby.", "The database is read-only now, like a standby."),
    "the broker is stopped": ("The broker doesn't answer", "then the broker didn't answer"),
}
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """Return a function that makes databases and returns their URLs."""
    made = []
    server = os.environ["USERS_DATABASE_URL"]

    def make():
        if server.startswith("sqlite"):
            folder = tmp_path_factory.mktemp("databases")
            return {variable: f"sqlite:///{folder / name}.sqlite3" for variable, name in DATABASES.items()}
        mark = secrets.token_hex(4)
        names = {variable: f"tests_{mark}_{name}" for variable, name in DATABASES.items()}
        with psycopg.connect(server, autocommit=True) as connection:
            for name in names.values():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                made.append(name)
        return {variable: urlsplit(server)._replace(path=f"/{name}").geturl() for variable, name in names.items()}

    yield make
    if made:
        with psycopg.connect(server, autocommit=True) as connection:
            for name in made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def migrated(databases, tmp_path_factory):
    """The environment of a working project, without its web server."""
    environment = surroundings(databases(), tmp_path_factory.mktemp("var"))
    lines = ["migrate -v0", COMMANDS[0]]
    assert [ended["code"] for ended in run(lines, environment)] == [0] * len(lines)
    return environment


@contextmanager
def no_writes(environment):
    """Let the contexts' databases take no writes, as after a failover."""
    names = [urlsplit(environment[variable]).path[1:] for variable in ("USERS_DATABASE_URL", "BILLING_DATABASE_URL")]
    for name in names:
        on_server("ALTER DATABASE {} SET default_transaction_read_only = on", name)
    try:
        yield
    finally:
        for name in names:
            on_server("ALTER DATABASE {} RESET default_transaction_read_only", name)


def on_server(statement, name):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def surroundings(urls, var):
    return {**os.environ, **urls, "VAR_DIR": str(var), "CELERY_BROKER_URL": "memory://", "USERS_API_URL": "http://127.0.0.1:1"}


def run(lines, environment):
    done = warm.run(["-m", "tests.commands.outcomes", *lines], cwd=ROOT, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def serve(environment):
    """Run the web server on its own port, which the environment then names."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment["USERS_API_URL"] = url = f"http://127.0.0.1:{port}"
    command = ["manage.py", "runserver", "--alone", "--noreload", "--skip-checks", f"127.0.0.1:{port}"]
    server = warm.start(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: answers(f"{url}/api/users/contracts/"), timeout=30, what="the web server to answer")
    return server


def away(environment):
    """Return the URL of a database that doesn't exist."""
    if environment["USERS_DATABASE_URL"].startswith("sqlite"):
        return "sqlite:////nowhere/at/all.sqlite3"
    return "postgres://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def ended(request, databases, tmp_path_factory):
    """Return how each command ended in the circumstance that the test names."""
    circumstance = request.param
    if circumstance == "the databases take no writes" and os.environ["USERS_DATABASE_URL"].startswith("sqlite"):
        pytest.skip(
            "a SQLite file can't be made read-only for a process that runs as root; tests/messaging/database/test_errors.py has it"
        )
    if circumstance == "nothing is migrated":
        environment = surroundings(databases(), tmp_path_factory.mktemp("var")) | {"USERS_API_TOKEN": "of-an-earlier-life"}
    else:
        environment = dict(request.getfixturevalue("migrated"))
    if circumstance == "the users' database is away":
        environment["USERS_DATABASE_URL"] = away(environment)
    if circumstance == "billing's database is away":
        environment["BILLING_DATABASE_URL"] = away(environment)
    if circumstance == "the databases take no writes":
        run(COMMANDS[:1], environment)
    if circumstance == "the broker is stopped":
        environment["CELERY_BROKER_URL"] = NOWHERE
    if circumstance == "the web server is stopped":
        return circumstance, dict(zip(COMMANDS, run(COMMANDS, environment), strict=True))
    forbidden = no_writes(environment) if circumstance == "the databases take no writes" else nullcontext()
    server = serve(environment)
    try:
        with forbidden:
            return circumstance, dict(zip(COMMANDS, run(COMMANDS, environment), strict=True))
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.mark.parametrize("ended", CODES, indirect=True, scope="module")
@pytest.mark.parametrize("line", COMMANDS)
def test_it_ends_in_a_sentence_and_a_documented_code(ended, line):
    circumstance, outcomes = ended
    found, codes = outcomes[line], CODES[circumstance]
    said = found["err"]
    assert "Traceback" not in said + found["out"], said
    expected = codes.get(line, 2 if line == "parked show billing 1" else 0)
    assert found["code"] == expected, said
    if expected in (1, 3):
        last = said.splitlines()[-1]
        assert not re.match(r"\w+: ", last), last  # no exception's class before the sentence
        assert any(words in last for words in SAYS[circumstance]), last

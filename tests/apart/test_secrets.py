"""Secrets and a person's data are planted in two deployments as in production (`DEBUG=0`), things go wrong there, and then
everything that they leave behind is searched: logs, queues, tables, pages, what commands print."""

import base64
import html
import re
import secrets
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
import redis
from psycopg import sql

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from messaging.transport import keys
from tests.apart.conftest import PASSWORD, Server, _prepare, block
from tests.apart.deployment import Deployment
from tests.apart.front import https
from tests.probes import wait_for

pytestmark = pytest.mark.timeout(400)
PATIENCE = 60.0
EMAIL, NAME = "grace.planted@mail.example.org", "Grace Plantedname"
#: However they are spelled: in JSON, in a row, in a list's short form.
PERSON = re.compile(r"grace\.planted|plantedname", re.IGNORECASE)
WEBS = ("/metrics", "/readyz", "/healthz", "/api/schema/", "/admin/", "/admin/login/", "/nowhere/")


@dataclass
class Planted:
    """Both boxes, the secrets that are in them, and what was found there afterwards: place to text."""

    server: Server
    users: Deployment
    billing: Deployment
    fronts: dict[str, str]
    secrets: dict[str, str]
    found: dict[str, str]
    person: str = ""

    def dump(self, *databases: str) -> str:
        """All rows of all tables, as PostgreSQL writes them."""
        lines = []
        for name in databases:
            with psycopg.connect(self.server.url.rpartition("/")[0] + f"/{self.server.mark}{name}") as connection:
                tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                for (table,) in tables:
                    rows = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))).fetchall()
                    lines += [f"{table}: {row}" for (row,) in rows]
        return "\n".join(lines)

    def at(self, context: str, statement: str) -> list[tuple[Any, ...]]:
        url = self.server.url.rpartition("/")[0] + f"/{self.server.mark}{context}"
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]  # literals of these tests
            return list(cursor.fetchall()) if cursor.description else []


def fetched(url: str, token: str = "", **headers: str) -> str:
    """Status, headers and content."""
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return f"{answer.status}\n{answer.headers}\n{answer.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.code}\n{error.headers}\n{error.read().decode()}"


@pytest.fixture(scope="module")
def planted(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    planted = {name: secrets.token_hex(16) for name in ("database password", "broker password")}
    boxes: dict[str, Deployment] = {}
    proxies: dict[str, ThreadingHTTPServer] = {}
    with (
        embedded() as url,
        psycopg.connect(server.url, autocommit=True) as superuser,
        redis.Redis(unix_socket_path=url.partition("://")[2]) as client,
    ):
        for line in block("text").splitlines():
            client.execute_command(*shlex.split(line.replace(f">{PASSWORD}", f">{planted['broker password']}")))
        for context in ("users", "billing"):
            role = sql.Identifier(f"{server.mark}{context}_app")
            superuser.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(planted["database password"])))
            planted[f"SECRET_KEY of {context}"] = secrets.token_urlsafe(50)
            planted[f"signing key of {context}"] = keys.text(secrets.token_bytes(32))
            as_role = lambda name: server.as_role(context, name).replace(f":{PASSWORD}@", f":{planted['database password']}@")  # noqa: B023, E731
            box = boxes[context] = Deployment(
                f"Procfile.{context}",
                tmp_path_factory.mktemp(f"{context}-planted"),
                CONTEXTS=context,
                DEBUG="0",
                DATABASE_URL=as_role(f"{context}_django"),
                CELERY_BROKER_URL=f"redis+socket://{context}:{planted['broker password']}@{url.partition('://')[2]}",
                **{
                    f"{context.upper()}_DATABASE_URL": as_role(context),
                    f"{context.upper()}_SIGNING_KEYS": planted[f"signing key of {context}"],
                },
            )
            box.environment["SECRET_KEY"] = planted[f"SECRET_KEY of {context}"]
            proxies[context] = https(int(box.environment["PORT"]))
        fronts = {context: f"http://127.0.0.1:{proxy.server_port}" for context, proxy in proxies.items()}
        boxes["billing"].environment["USERS_API_URL"] = fronts["users"]
        boxes["users"].environment["BILLING_API_URL"] = fronts["billing"]
        try:
            yield live(Planted(server, boxes["users"], boxes["billing"], fronts, planted, {}), client)
        finally:
            for context, box in boxes.items():
                box.stop()
                proxies[context].shutdown()
                proxies[context].server_close()


def live(planted: Planted, client: Any) -> Planted:
    """A day in both boxes, on which things go wrong; everything that it leaves is collected."""
    users, billing, found = planted.users, planted.billing, planted.found
    with ThreadPoolExecutor() as pool:
        ready = list(pool.map(_prepare, (users, billing), ("users", "billing"), (None, None)))
        (planted.secrets["token of billing"], users_key), (planted.secrets["token of users"], billing_key) = ready
        users.environment["BILLING_PUBLIC_KEYS"], billing.environment["USERS_PUBLIC_KEYS"] = billing_key, users_key
    token = billing.environment["USERS_API_TOKEN"] = planted.secrets["token of billing"]
    users.environment["BILLING_API_TOKEN"] = planted.secrets["token of users"]
    register = f"from users.services import *\nprint(user_register(email='{EMAIL}', name='{NAME}').pk)"
    person = planted.person = users.manage("shell", "-v0", "-c", register)
    with ThreadPoolExecutor() as pool:
        list(pool.map(Deployment.start, (users, billing)))
    billing.manage("bootstrap", "billing", "--from", "users", "--json")
    users.manage("bootstrap", "users", "--from", "billing", "--json")

    # A handler of users fails at a row that the database shows whole, and one of billing's at its own.
    planted.at(
        "users", f"ALTER TABLE users_user ADD CONSTRAINT planted CHECK (name <> '{NAME}' OR status <> 'suspended') NOT VALID"
    )
    billing.manage("generate_invoices", "--period", "2026-10", "--json")
    overdue = "from billing.services import *\nfor one in Invoice.objects.using('billing'): invoice_mark_overdue(invoice_id=one.pk)"
    billing.manage("shell", "-v0", "-c", overdue)
    parked = lambda context: planted.at(context, "SELECT reason FROM messaging_parked")  # noqa: E731
    wait_for(lambda: parked("users"), timeout=PATIENCE, what="users to park what it can't do", seen=users.tail)
    planted.at("billing", "ALTER TABLE billing_cacheduser ADD CONSTRAINT planted CHECK (version < 2) NOT VALID")
    change = f"from users.services import *\nuser_change_email(user_id='{person}', email='new.{EMAIL}')"
    users.manage("shell", "-v0", "-c", change)
    wait_for(lambda: parked("billing"), timeout=PATIENCE, what="billing to park what it can't take", seen=billing.tail)
    planted.at("billing", "ALTER TABLE billing_cacheduser DROP CONSTRAINT planted")

    # An API that fails, with a token in its request and a person's data in its statement's reach.
    behind = planted.fronts["users"]
    planted.at("users", "ALTER TABLE users_user RENAME TO users_away")
    found["error page"] = fetched(f"{behind}/api/users/changes/?since=1", token) + fetched(f"{behind}/api/users/{person}/", token)
    planted.at("users", "ALTER TABLE users_away RENAME TO users_user")
    assert found["error page"].startswith("500")
    found["refusals"] = "".join(
        fetched(f"{behind}{path}", shown)
        for path in ("/api/users/changes/", "/api/users/nobody/")
        for shown in ("", token, token[:-1])
    )

    # What waits in billing's queue while its worker is away, and what users' own commands and pages say.
    worker = billing.running.pop("worker-billing")
    worker.terminate()
    worker.wait(timeout=30)
    users.manage("shell", "-v0", "-c", change.replace("new.", "newer."))
    wait_for(lambda: client.llen("billing"), timeout=PATIENCE, what="a message in billing's queue", seen=users.tail)
    found["queues"] = "\n".join(queued(client, key) for key in client.scan_iter())
    for name, box in (("users", users), ("billing", billing)):
        ids = " ".join(str(pk) for (pk,) in planted.at(name, "SELECT id FROM messaging_parked"))
        repairs = {"users": ["replay users --dry-run"], "billing": ["reconcile billing --from users --json"]}[name]
        found[f"{name}: commands"] = printed(
            box,
            *(
                "status",
                "status --json",
                "consumers list",
                "consumers list --json",
                f"parked list {name} --all",
                f"signing_keys {name}",
            ),
            *(f"parked show {name} {ids}", f"parked retry {name} --all", f"check --database {name}", *repairs),
        )
        for path in WEBS:
            found[f"{name}: {path}"] = fetched(f"{planted.fronts[name]}{path}")
    pages = admin_pages(planted.fronts["billing"], billing)
    assert {page.partition("\n")[0] for page in pages.values()} == {"200"}
    assert any(re.fullmatch(r"/admin/billing/parkedmessage/\d+/change/.*", path) for path in pages), sorted(pages)
    found["billing: admin"] = "\n".join(pages.values())
    for name, box in (("users", users), ("billing", billing)):
        found[f"{name}: logs"] = box.log.read_text(errors="replace")
        found[f"{name}: parked messages"] = "\n".join(map(str, planted.at(name, "SELECT t::text FROM messaging_parked t")))
    found["billing: tables"] = planted.dump("billing", "billing_django")
    found["users: tables"] = planted.dump("users", "users_django")
    return planted


def queued(client: Any, key: bytes) -> str:
    """A key's content, bodies decoded."""
    kind = client.type(key)
    values = {b"list": lambda: client.lrange(key, 0, -1), b"hash": lambda: client.hvals(key)}.get(kind, list)()
    texts = [value.decode("utf-8", "replace") for value in values]
    bodies = [base64.b64decode(body).decode() for text in texts for body in re.findall(r'"body": "([A-Za-z0-9+/=]+)"', text)]
    return "\n".join([key.decode(), *texts, *bodies])


LOGGED_IN = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
admin = get_user_model().objects.create_superuser("admin", "admin@example.org", "x")
session = SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(admin.pk), admin.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session.save()
print(session.session_key)
"""


def admin_pages(front: str, box: Deployment) -> dict[str, str]:
    """Every page of the admin that a link leads to, with a row or two of each list: path to page."""
    session = box.manage("shell", "-v0", "-c", LOGGED_IN)
    pages: dict[str, str] = {}
    todo = ["/admin/", "/admin/billing/parkedmessage/?state=all"]
    while todo and len(pages) < 100:
        path = todo.pop()
        pages[path] = fetched(f"{front}{path}", Cookie=f"sessionid={session}")
        for link in map(html.unescape, re.findall(r'href="(/admin/billing/[^"#]*)"', pages[path])):
            if link not in pages and link not in todo and not re.search("history|delete|add", link):
                todo.append(link)
    return pages


def printed(box: Deployment, *commands: str) -> str:
    """All that these commands print, however they end; in one process, for each takes a second to start."""
    call = f"from tests.commands.calling import call\nfor words in {commands!r}: print('$', words, call(*words.split()))"
    done = subprocess.run(
        ["python", "manage.py", "shell", "-v0", "-c", call],
        cwd=ROOT,
        env=box.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_what_was_planted_is_there_to_be_found(planted: Planted) -> None:
    """The search works, and what should go wrong did."""
    assert PERSON.search(planted.found["users: tables"])
    assert planted.at("users", "SELECT count(*) FROM messaging_parked WHERE traceback LIKE '%CheckViolation%'") == [(1,)]
    assert planted.at("billing", "SELECT count(*) FROM messaging_parked WHERE traceback LIKE '%CheckViolation%'") == [(1,)]
    assert "ProgrammingError" in planted.found["users: logs"]
    assert planted.person in planted.found["queues"]
    assert '"checkpoint"' in planted.found["billing: commands"]
    assert "CheckViolation" in planted.found["users: commands"]
    assert "messaging_lag" in planted.found["billing: /metrics"]


def test_a_person_s_data_stays_in_users_tables(planted: Planted) -> None:
    leaks = {place: match[0] for place, text in planted.found.items() if (match := PERSON.search(text))}
    assert set(leaks) <= {"users: tables"}, leaks


def test_no_secret_is_anywhere(planted: Planted) -> None:
    assert len(planted.secrets) == 8
    leaks = [
        f"{name} in {place}" for name, secret in planted.secrets.items() for place, text in planted.found.items() if secret in text
    ]
    assert leaks == []


def test_after_an_erasure_nothing_that_is_kept_tells_of_the_person(planted: Planted) -> None:
    """Runs last: rows of the outbox that went out long ago, and that no consumer has passed, hold nothing either."""
    erase = f"from users.services import *\nprint(user_erase(user_id='{planted.person}').status)"
    assert planted.users.manage("shell", "-v0", "-c", erase) == "erased"
    outbox = planted.at("users", f"SELECT count(*) FROM published WHERE body->>'subject' = '{planted.person}'")
    assert outbox[0][0] >= 4
    assert not PERSON.search(planted.dump("users", "users_django", "billing", "billing_django"))

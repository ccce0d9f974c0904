"""The wheel in an environment with its core requirements alone: everything works but the parts of the extras, which say so.

It brings its own database (SQLite) and its own broker (kombu's filesystem transport, which needs no server and no package).
"""

import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from email import message_from_string
from pathlib import Path

import pytest

from messaging.extras import EXTRAS
from tests.adoption import installed
from tests.adoption.installed import Project
from tests.probes import wait_for

#: The modules that need an extra, by the package whose import fails.
APART = {
    "api": {"messaging.http"},
    "deploy": {"messaging.operations.metrics"},
    "redis": {"messaging.transport.redis"},
    "signing": {"messaging.transport.ed25519", "messaging.transport.keys"},
}
IMPORT_ALL = """
import importlib, json, pkgutil, messaging
failed = {}
for module in pkgutil.walk_packages(messaging.__path__, "messaging."):
    if module.name.startswith("messaging.boundaries."):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        failed[module.name] = error.name
print(json.dumps(failed))
"""
SIGN_UP = """
from accounts.events import AccountChanged
from django.contrib.auth.models import User
from django.db import transaction
from messaging.publisher import record
with transaction.atomic():
    user = User.objects.create_user({!r})
    record(AccountChanged(active=user.is_active), subject=user.pk, using="default")
"""
ASK_METRICS = """
from django.test import Client
answer = Client(SERVER_NAME="localhost").get("/metrics")
print(answer.status_code, answer.content.decode())
"""
PATIENCE = 60.0
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed.build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def shop(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A migrated project, with users from before."""
    made = Project(tmp_path_factory.mktemp("shop"), installed.install(wheel, tmp_path_factory.mktemp("environment")))
    made.make()
    made.manage("makemigrations", "-v0", "billing")
    made.manage("migrate", "-v0")
    return made


@pytest.fixture
def worker(shop: Project) -> Iterator[None]:
    program = shop.start("worker", "billing", "--concurrency", "1")
    yield
    program.terminate()
    program.wait(timeout=PATIENCE)


def test_the_wheel_holds_messaging_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"messaging"}
    assert {
        "messaging/py.typed",
        "messaging/migrations/0001_initial.py",
        "messaging/management/commands/relay.py",
        "messaging/templates/messaging/cache_list.html",
        "messaging/static/messaging/admin.css",
    } <= set(names)
    assert not [name for name in names if name.endswith(".pyc")]


def test_its_metadata_names_the_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (file,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(file).decode())
    assert (metadata["Name"], metadata["License-Expression"]) == ("django-bounded-contexts", "MIT")
    assert set(metadata.get_all("Provides-Extra") or []) == {*EXTRAS, "boundaries"}


def test_only_the_parts_of_an_extra_need_its_packages(shop: Project) -> None:
    assert Path(shop.run("-c", "import messaging; print(messaging.__file__)")).is_relative_to(shop.python.parents[1])
    failed = shop.manage("shell", "-v0", "-c", IMPORT_ALL)
    for extra, modules in APART.items():
        here = {name for name, package in failed.items() if package in EXTRAS[extra].packages}
        assert here
        assert all(name in modules or name.rpartition(".")[0] in modules for name in here), here
    packages = {package for extra in APART for package in EXTRAS[extra].packages}
    assert set(failed.values()) <= packages


def test_a_new_project_gets_outbox_feed_and_copy(shop: Project, worker: None) -> None:
    shop.manage("check", "--database", "default")
    shop.manage("shell", "-v0", "-c", "from django.contrib.auth.models import User; User.objects.create_user('before')")
    shop.manage("consumers", "register", "billing", "--to", "accounts")
    assert shop.manage("bootstrap", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"

    shop.manage("shell", "-v0", "-c", SIGN_UP.format("ada"))
    assert shop.manage("relay", "accounts", "--once", "--json")["sent"] == 1
    wait_for(
        lambda: copied(shop) == [(1, 1), (2, 1)], timeout=PATIENCE, what="the worker to apply ada's event", seen=lambda: log(shop)
    )

    with closing(sqlite3.connect(shop.folder / "db.sqlite3")) as connection, connection:
        connection.execute("UPDATE auth_user SET is_active = 0 WHERE id = 1")  # no event
    assert shop.manage("catch_up", "billing", "--from", "accounts", "--json")["applied"] == 1
    assert copied(shop) == [(1, 0), (2, 1)]
    assert shop.manage("reconcile", "billing", "--from", "accounts", "--json")["verdict"] == "in_sync"
    (state,) = shop.manage("status", "--json")["consumers"]
    assert (state["state"], state["lag"], state["parked"]) == ("live", 0, 0)


def copied(shop: Project) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(shop.folder / "db.sqlite3")) as connection:
        return connection.execute("SELECT account_id, active FROM billing_account ORDER BY 1").fetchall()


def log(shop: Project) -> str:
    return (shop.folder / "log.txt").read_text()[-3000:]


@pytest.mark.parametrize(
    ("words", "variables", "needs", "extra"),
    [
        (
            ["check"],
            {"SHOP_URLS": "shop.api_urls"},
            "The HTTP API needs djangorestframework and drf-spectacular, which aren't",
            "api",
        ),
        (["relay", "accounts", "--once"], {"SHOP_BROKER_URL": "redis://localhost:1/3"}, "A broker on Redis needs redis", "redis"),
        (["signing_keys", "accounts"], {}, "Signing messages needs cryptography, which isn't", "signing"),
        (
            ["relay", "accounts", "--once"],
            {"ACCOUNTS_SIGNING_KEYS": "a key"},
            "accounts has keys (SIGNING_KEYS), and can't",
            "signing",
        ),
        (
            ["worker", "billing"],
            {"ACCOUNTS_PUBLIC_KEYS": "a key"},
            "billing has keys of accounts (PUBLIC_KEYS), and can't",
            "signing",
        ),
    ],
)
def test_a_part_says_which_extra_it_needs(
    shop: Project, words: list[str], variables: dict[str, str], needs: str, extra: str
) -> None:
    done = shop.command("manage.py", *words, **variables)
    assert done.returncode == 3, done.stdout + done.stderr
    assert needs in done.stderr
    assert f'pip install "django-bounded-contexts[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_say_so_in_their_answer(shop: Project) -> None:
    said = shop.manage("shell", "-v0", "-c", ASK_METRICS, SHOP_URLS="shop.health_urls")
    assert said.startswith("501 # /metrics needs prometheus_client")
    assert said.endswith('pip install "django-bounded-contexts[deploy]"')


def test_a_driver_is_missed_by_django_itself(shop: Project) -> None:
    done = shop.command("manage.py", "check", SHOP_ENGINE="django.db.backends.postgresql")
    assert done.stderr.strip().splitlines()[-1].endswith("Error loading psycopg2 or psycopg module")

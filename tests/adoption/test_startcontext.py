"""`startcontext` in a project that `startproject` made: each command that it prints works, and nothing is copied by hand.

The host has its own sign-up, Celery and outbox rows, as in `test_startproject`.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from config.env import ROOT
from tests.adoption.project import HERE, PATIENCE
from tests.adoption.test_startproject import Shop, databases_are_real, shop  # noqa: F401  (two are fixtures)
from tests.probes import wait_for

MESSAGING = """
INSTALLED_APPS += ["messaging"]
MESSAGING = {"CONTEXTS": {}, "BROKER_URL": os.environ["SHOP_BROKER_URL"]}
"""
SECOND_DATABASE = """
INSTALLED_APPS += ["warehouse.stock"]
DATABASES["billing"] = {**DATABASES["default"], "NAME": os.environ["BILLING_DATABASE"], "ATOMIC_REQUESTS": False}
"""
ADMIN_PAGE = """
from django.contrib.auth.models import User
from django.test import Client, override_settings
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("admin"))
with override_settings(ROOT_URLCONF="shop.urls"):
    answer = client.get("/admin/billing/{}/")
print(answer.status_code, answer.content.decode().count("equal"))
"""
PARCEL = """
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from django.db import transaction
from messaging.testing import delivered
from warehouse.stock.models import Depot, Parcel
{}
with delivered("stock") as found, transaction.atomic(using="default"):
    times = {{"opens_at": "08:00", "opened_at": datetime.now(UTC), "keeps_for": timedelta(3)}}
    values = {{"kind": 1, "score": 1, "number": uuid4(), "address": "::1", "labels": [], "picture": b"", "is_open": True}}
    depot = Depot.objects.create(name="north", **times, **values)
    parcel = Parcel.objects.create(depot=depot, weight="1.5", pieces=2, due=date(2026, 2, 3))
    {}
print(*(one.outcome for one in found))
"""
#: These run until they are stopped.
PROGRAMS = {"relay", "worker", "tend", "scheduler"}


def installed(shop: Shop, settings: str = "") -> None:  # noqa: F811
    """The project with `messaging`, and without a context."""
    shop.make()
    (shop.folder / "messaging").symlink_to(ROOT / "messaging")
    shop.add_settings(MESSAGING + settings)


def started(shop: Shop, *words: str) -> dict[str, Any]:  # noqa: F811
    """Start a context, and check its code. `makemigrations` runs the system checks."""
    made: dict[str, Any] = shop.manage("startcontext", *words, "--write-settings", "--json")
    assert shop.manage("makemigrations", "--check", "--dry-run") == "No changes detected"
    written = [name for name in made["written"] if name.endswith(".py")]
    ruff = Path(sys.executable).parent / "ruff"
    for rule in (["format", "--check"], ["format", "--check", "--line-length=132"], ["check", "--select=E,F,I,B,UP,SIM,DJ"]):
        done = subprocess.run([ruff, *rule, "--isolated", "--no-cache", *written], cwd=shop.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


def typed(shop: Shop, made: dict[str, Any]) -> list[str]:  # noqa: F811
    """Type the printed commands that end by themselves. Returns them."""
    commands = [command.split()[2:] for command in made["commands"]]
    done = [words for words in commands if words[0] not in PROGRAMS]
    for words in done:
        shop.manage(*words)
    return [" ".join(words) for words in done]


def same(shop: Shop, theirs: str, ours: str, *, moved: bool = False) -> bool:  # noqa: F811
    """Two queries have the same rows, one on the model's table and one on the copy."""
    return sorted(shop.ask(theirs)) == sorted(shop.ask(ours, moved=moved))


def test_a_copy_of_auth_user_in_the_one_database_and_a_second_one(shop: Shop) -> None:  # noqa: F811
    users, copies = "SELECT id, is_active FROM auth_user", "SELECT user_id, is_active FROM billing_cacheduser"
    installed(shop)
    shop.manage("migrate", "-v0")
    shop.sign_up("eve")
    made = started(shop, "billing", "--from", "auth.User", "--fields", "id,is_active")
    assert typed(shop, made) == [
        "migrate",
        "test users billing",
        "consumers register billing --to users",
        "bootstrap billing --from users",
        "reconcile billing --from users",
    ]
    assert same(shop, users, copies)

    imports, call = made["record"].split("\n\n")
    view = shop.folder / "orders" / "views.py"
    view.write_text(imports + "\n" + view.read_text().replace("    if user.username", f"    {call}\n    if user.username", 1))
    for words in (command.split()[2:] for command in made["commands"]):
        if words[0] in {"relay", "worker"}:
            shop.start(words[0], "manage.py", *words)
    assert shop.sign_up("ada") == 200
    wait_for(lambda: same(shop, users, copies), timeout=PATIENCE, what="the event to reach the copy", seen=shop.tail)
    assert shop.ask("SELECT applied FROM messaging_subscription") == [(1,)]
    shop.stop()

    shop.ask("UPDATE auth_user SET is_active = false")  # without an event
    shop.manage("catch_up", "billing", "--from", "users")
    assert same(shop, users, copies)
    assert shop.manage("reconcile", "billing", "--from", "users", "--json")["verdict"] == "in_sync"
    assert shop.manage("shell", "-v0", "-c", ADMIN_PAGE.format("cacheduser")) == "200 2"

    made = started(shop, "mail", "--from", "auth.User", "--fields", "id,is_active")
    assert {name.partition("/")[0] for name in made["written"]} == {"mail"}
    assert typed(shop, made)[1:3] == ["test mail", "consumers register mail --to users"]
    assert same(shop, users, copies.replace("billing", "mail"))
    settings = (shop.folder / "shop" / "settings.py").read_text()
    assert [settings.count(f'"{name}": {{"database"') for name in ("users", "billing", "mail")] == [1, 1, 1]


def test_a_copy_of_the_hosts_own_model_in_another_database(shop: Shop) -> None:  # noqa: F811
    parcels = "SELECT id, depot_id, state, kilos, pieces, due, packed_at, sent_at, owner_email, note FROM stock_parcel"
    copies = parcels.replace("id,", "parcel_id,", 1).replace("stock_parcel", "billing_cachedparcel")
    installed(shop, SECOND_DATABASE)
    shutil.copytree(HERE / "host" / "stock", shop.folder / "warehouse" / "stock")
    (shop.folder / "warehouse" / "__init__.py").touch()
    shop.manage("makemigrations", "-v0", "stock")
    shop.manage("migrate", "-v0")
    fields = "depot,state,kilos=weight,pieces,due,packed_at,sent_at,owner_email,note"
    made = started(shop, "billing", "--from", "stock.Parcel", "--fields", fields, "--database", "billing")
    assert {name.partition("/")[0] for name in made["written"]} == {"billing", "warehouse"}
    assert typed(shop, made) == [
        "migrate",
        "migrate --database billing",
        "test warehouse.stock billing",
        "consumers register billing --to stock",
        "bootstrap billing --from stock",
        "reconcile billing --from stock",
    ]
    imports, call = made["record"].split("\n\n")
    assert shop.manage("shell", "-v0", "-c", PARCEL.format(imports, call.replace("\n", "\n    "))) == "applied"
    parcels = parcels.replace("kilos", "weight")
    assert len(shop.ask(parcels)) == 1
    assert same(shop, parcels, copies, moved=True)
    shop.ask("UPDATE stock_parcel SET pieces = 3, note = 'late'")  # without an event
    shop.manage("catch_up", "billing", "--from", "stock")
    assert same(shop, parcels, copies, moved=True)
    shop.ask("DELETE FROM stock_parcel")
    shop.manage("catch_up", "billing", "--from", "stock")
    assert shop.ask("SELECT deleted, note FROM billing_cachedparcel", moved=True) in ([(True, "")], [(1, "")])
    assert shop.manage("reconcile", "billing", "--from", "stock", "--json")["verdict"] == "in_sync"
    shop.manage("republish", "stock")
    shop.manage("relay", "stock", "--once")
    assert shop.manage("purge", "stock", "--older-than", "0s", "--json")["tombstones"] == 1
    assert shop.manage("reconcile", "billing", "--from", "stock", "--json")["verdict"] == "in_sync"

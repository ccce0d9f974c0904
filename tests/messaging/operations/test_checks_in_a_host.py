"""What a host's settings can get wrong: `manage.py check` says it, and what its hint says corrects it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.running import surroundings
from tests.signing import INSTALLED
from walkthrough.scenarios import one_database

IMMEDIATE = (
    'DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 30, '
    '"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}'
)
BROKER = 'MESSAGING["BROKER_URL"] = "redis://localhost:6379/3"'
#: Where messages can't be signed, what `messaging.W017` asks for.
SIGNING = "" if INSTALLED else 'MESSAGING["SIGNING"] = False'
#: A database engine that isn't supported, as Django sees it.
OTHER_ENGINE = """
from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    vendor = "mysql"
"""
APART = """
DATABASES["apart"] = {**DATABASES["default"], "NAME": BASE_DIR / "apart.sqlite3"}
MESSAGING["CONTEXTS"]["billing"] = {"database": "apart"}
"""
NOWHERE = """
class Nowhere:
    def allow_migrate(self, db, app_label, **hints):
        return False if app_label == "messaging" else None


DATABASE_ROUTERS = ["shop.settings.Nowhere"]
"""
OURS = '"messaging.database.router.ContextRouter"'.replace('"', "'")


class Host:
    """A project as `startproject` makes it, which has adopted `messaging`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.settings = folder, folder / "shop" / "settings.py"
        self.settings.write_text(f"{self.settings.read_text()}\n{IMMEDIATE}\n{SIGNING}\n")
        self.before = self.settings.read_text()
        self.environment = {**surroundings(folder), "DJANGO_SETTINGS_MODULE": "shop.settings", "SHOP_BROKER_URL": "redis://x/3"}

    def manage(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return warm.run(["manage.py", *words], cwd=self.folder, env=self.environment, timeout=120)

    def check(self, *words: str) -> dict[str, list[tuple[str, str]]]:
        """Run `check`. Maps each id to its messages, each with its hint."""
        done = self.manage("check", *words)
        assert "Traceback" not in done.stderr, done.stderr
        found: dict[str, list[tuple[str, str]]] = {}
        for name, message, hint in re.findall(r"\(messaging\.(\w+)\) (.*)\n(?:\tHINT: (.*)\n)?", done.stderr):
            found.setdefault(name, []).append((message, hint))
        return found


@pytest.fixture(scope="module")
def made() -> Iterator[Host]:
    with one_database.made() as folder:
        (folder / "other_engine").mkdir()
        (folder / "other_engine" / "base.py").write_text(OTHER_ENGINE)
        yield Host(folder)


@pytest.fixture
def host(made: Host) -> Host:
    made.settings.write_text(made.before)
    return made


#: (id, lines of settings, its message, lines that correct it). The hint has these lines if it has any code.
CASES = [
    (
        "E001",
        'MESSAGING["HANDLERS"] = {"billing": "billing.handlers.NOTHING"}',
        "The handlers of billing can't be loaded: ",
        'MESSAGING["HANDLERS"] = {}',
    ),
    (
        "E001",
        'MESSAGING["CACHES"] = {"billing": "billing.caches.NOTHING"}',
        "The copies of billing can't be loaded: ",
        'MESSAGING["CACHES"] = {}',
    ),
    (
        "E005",
        'MESSAGING["FEEDS"] = {"people": ("accounts", "accounts.feed.FEED")}',
        "The feeds accounts and people both have the aggregate accounts.user.",
        'MESSAGING["FEEDS"] = {}',
    ),
    (
        "E007",
        'MESSAGING["CONTEXTS"]["billing"] = {"database": "nowhere"}',
        "The context billing is in the database 'nowhere', which DATABASES doesn't have.",
        'MESSAGING["CONTEXTS"]["billing"] = {"database": "default"}',
    ),
    (
        "E008",
        'CONTEXTS = MESSAGING["CONTEXTS"]; MESSAGING["CONTEXTS"] = ["accounts", "billing", "billing"]',
        'MESSAGING["CONTEXTS"] names billing 2 times.',
        'MESSAGING["CONTEXTS"] = CONTEXTS',
    ),
    (
        "E008",
        'MESSAGING["CONTEXTS"]["Mail-Room"] = {"database": "default"}',
        "The context 'Mail-Room' has a name that no event type can begin with.",
        'del MESSAGING["CONTEXTS"]["Mail-Room"]',
    ),
    (
        "E008",
        'MESSAGING["FEEDS"] = {"billing": ("accounts", "accounts.feed.FEED")}',
        "A feed of accounts has the name of the context billing.",
        'MESSAGING["FEEDS"] = {}',
    ),
    (
        "E009",
        'DATABASES["default"]["ENGINE"] = "other_engine"',
        "The database 'default' is mysql, which messaging doesn't support.",
        'DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"',
    ),
    (
        "E010",
        "USE_TZ = False",
        "USE_TZ is False, and the times of events, checkpoints and grants have a time zone.",
        "USE_TZ = True",
    ),
    (
        "E011",
        NOWHERE,
        "A router keeps messaging.Ledger out of the database 'default', which has the context accounts.",
        f"DATABASE_ROUTERS = [{OURS}, 'shop.settings.Nowhere']",
    ),
    ("W004", 'del MESSAGING["BROKER_URL"]', 'MESSAGING["BROKER_URL"] isn\'t set, so there is no broker. ', BROKER),
    (
        "W007",
        'del DATABASES["default"]["OPTIONS"]',
        "SQLite transactions of the database 'default' aren't immediate, so they may collide.",
        IMMEDIATE,
    ),
    (
        "W009",
        APART,
        "Plain queries write billing.Account in the database 'default', but the context billing is in 'apart'.",
        f"DATABASE_ROUTERS = [{OURS}]",
    ),
    (
        "W009",
        APART.replace("billing", "accounts"),
        "Plain queries write auth.User in the database 'default', but the context accounts is in 'apart'.",
        'MESSAGING["CONTEXTS"]["accounts"]["database"] = "default"',
    ),
    (
        "W010",
        'INSTALLED_APPS.remove("accounts")',
        "The context accounts isn't an installed app.",
        'INSTALLED_APPS += ["accounts"]',
    ),
    (
        "W016",
        'MESSAGING["BROKER_URI"] = MESSAGING.pop("BROKER_URL")',
        "MESSAGING has the entry 'BROKER_URI', which nothing reads.",
        'MESSAGING["BROKER_URL"] = MESSAGING.pop("BROKER_URI")',
    ),
    (
        "W016",
        'MESSAGING["CONTEXTS"]["billing"] = {"databse": "default"}',
        'MESSAGING["CONTEXTS"]["billing"] has the entry \'databse\', which nothing reads.',
        'MESSAGING["CONTEXTS"]["billing"] = {"database": "default"}',
    ),
]


@pytest.mark.parametrize(("name", "lines", "message", "correction"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_a_wrong_setting_is_said_and_its_hint_corrects_it(host: Host, name: str, lines: str, message: str, correction: str) -> None:
    host.settings.write_text(f"{host.before}\n{lines}\n")
    said, hint = host.check()[name][0]
    assert said.startswith(message)
    if " = " in hint or " += " in hint:
        assert correction in hint
    host.settings.write_text(f"{host.before}\n{lines}\n{correction}\n")
    assert host.check() == {}


def test_a_fresh_host_has_nothing_to_correct_before_and_after_its_first_migrate(host: Host) -> None:
    for file in host.folder.glob("*.sqlite3"):
        file.unlink()
    shutil.rmtree(host.folder / "billing" / "migrations", ignore_errors=True)
    assert host.check() == {}
    done = host.manage("check", "--database", "default")
    assert (done.returncode, "Create them: manage.py migrate --database default" in done.stderr) == (3, True)
    host.manage("makemigrations", "billing")
    migrated = host.manage("migrate")
    assert (migrated.returncode, "messaging." in migrated.stderr) == (0, False), migrated.stderr
    assert host.check("--database", "default", "--fail-level", "WARNING") == {}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('MESSAGING["CONTEXTS"] = "billing"', "MESSAGING[\"CONTEXTS\"] is the text 'billing'. Write a list: ['billing']."),
        ('MESSAGING["CONTEXTS"]["billing"] = "default"', 'Write a dict that names its database: {"database": "default"}.'),
        ('del MESSAGING["CONTEXTS"]', 'MESSAGING["CONTEXTS"] is not set. Name your contexts and their databases: '),
        (
            'INSTALLED_APPS.remove("django_outbox_pattern")',
            'messaging needs django_outbox_pattern. Add "django_outbox_pattern" to INSTALLED_APPS.',
        ),
    ],
)
def test_without_contexts_or_the_outbox_nothing_starts_and_the_last_line_says_why(host: Host, lines: str, sentence: str) -> None:
    host.settings.write_text(f"{host.before}\n{lines}\n")
    done = host.manage("check")
    assert done.returncode == 1
    assert sentence in done.stderr.strip().splitlines()[-1]


def test_the_hosts_default_primary_key_makes_no_migration_of_messaging(host: Host) -> None:
    host.settings.write_text(f'{host.before}\nDEFAULT_AUTO_FIELD = "django.db.models.AutoField"\n')
    done = host.manage("makemigrations", "--check", "--dry-run", "messaging")
    assert (done.returncode, done.stdout.strip()) == (0, "No changes detected in app 'messaging'")


def test_a_host_whose_own_database_is_of_another_kind_can_migrate_it(host: Host) -> None:
    """Its contexts are elsewhere, and `messaging` leaves that database alone."""
    lines = """
DATABASES["apart"] = {**DATABASES["default"], "NAME": BASE_DIR / "apart.sqlite3"}
DATABASES["default"] = {**DATABASES["default"], "ENGINE": "other_engine", "NAME": BASE_DIR / "other.sqlite3"}
DATABASE_ROUTERS = ["messaging.database.router.ContextRouter"]
MESSAGING["CONTEXTS"] = {"billing": {"database": "apart"}}
"""
    host.settings.write_text(f"{host.before}\n{lines}\n")
    done = host.manage("migrate", "--database", "default")
    assert done.returncode == 0, done.stderr

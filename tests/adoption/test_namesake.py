"""A host's own app with the label `messaging` is an error that says the way out, and the documented way out works."""

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from config.env import ROOT
from tests import warm
from tests.running import surroundings

MODELS = """
from django.conf import settings
from django.db import models


class Thread(models.Model):
    subject = models.CharField(max_length=50)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL)
    {meta}

class Message(models.Model):
    thread = models.ForeignKey(Thread, models.CASCADE)
    {other}
"""
WRITE = """
from django.contrib.auth.models import User
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
thread = apps.get_model(%r, "Thread").objects.create(subject="kept")
thread.members.add(User.objects.create_user("ada"))
thread.message_set.create()
ContentType.objects.get_for_model(thread)
"""
READ = """
from django.apps import apps
from django.contrib.auth.models import Permission
there = Permission.objects.filter(codename="add_thread")
found = apps.get_model(%r, "Thread").objects.get()
print(found.subject, found.members.get().username, found.message_set.count(), there.count())
"""
OURS = """
INSTALLED_APPS += ["django_outbox_pattern", "messaging"]
MESSAGING = {"CONTEXTS": {}, "BROKER_URL": "memory://"}
"""


class Host:
    """A project with an app of its own called `messaging`, below its package `shop`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.app = folder, folder / "shop" / "messaging"
        self.environment = {**surroundings(folder), "DJANGO_SETTINGS_MODULE": "shop.settings"}

    def make(self) -> None:
        words = ["-m", "django", "startproject", "shop", "."]
        done = warm.run(words, cwd=self.folder, env={**self.environment, "DJANGO_SETTINGS_MODULE": ""}, timeout=60)
        assert done.returncode == 0, done.stderr
        (self.app / "migrations").mkdir(parents=True)
        for package in (self.app, self.app / "migrations"):
            (package / "__init__.py").touch()
        (self.app / "models.py").write_text(MODELS.format(meta="", other=""))
        self.settings = self.folder / "shop" / "settings.py"
        self.plain = self.settings.read_text()
        self.install('INSTALLED_APPS += ["shop.messaging"]\n')

    def install(self, *lines: str) -> None:
        self.settings.write_text(self.plain + "".join(lines))

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return warm.run(["manage.py", *words], cwd=self.folder, env=self.environment, timeout=120)

    def manage(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.make()
    (tmp_path / "messaging").symlink_to(ROOT / "messaging")  # as if it were installed
    return made


@pytest.mark.parametrize(
    "lines",
    [
        ('INSTALLED_APPS += ["shop.messaging"]\n', OURS),
        (OURS, 'INSTALLED_APPS += ["shop.messaging"]\n'),
        (OURS, 'INSTALLED_APPS += ["shop.messaging.apps.Ours"]\n'),
    ],
    ids=["before", "after", "after, named by its configuration"],
)
def test_another_app_with_the_label_is_an_error_with_the_way_out(host: Host, lines: tuple[str, ...]) -> None:
    (host.app / "apps.py").write_text(
        'from django.apps import AppConfig\n\n\nclass Ours(AppConfig):\n    name = "shop.messaging"\n    label = "messaging"\n'
    )
    host.install(*lines)
    done = host.run("check")
    assert done.returncode == 1
    (said,) = re.findall(r"ImproperlyConfigured: (.+)", done.stderr)
    assert said.startswith("Two apps have the label 'messaging': shop.messaging and django-bounded-contexts, whose label")
    assert 'Give shop.messaging another one in its AppConfig: label = "shop_messaging".' in said


def test_an_app_that_cant_be_loaded_is_reported_as_ever(host: Host) -> None:
    host.install(OURS, 'INSTALLED_APPS += ["shop.nothing"]\n')
    done = host.run("check")
    assert done.stderr.strip().endswith("No module named 'shop.nothing'")
    assert "messaging/apps.py" not in done.stderr


def test_the_way_out_keeps_the_hosts_tables_and_rows(host: Host) -> None:
    host.manage("makemigrations", "-v0", "messaging")
    host.manage("migrate", "-v0")
    host.manage("shell", "-v0", "-c", WRITE % "messaging")

    page = (ROOT / "docs" / "lifting.md").read_text().partition("## If you have a `messaging` already")[2].partition("\n## ")[0]
    python, sql = (dedent(page.partition(f"```{kind}\n")[2].partition("```")[0]) for kind in ("python", "sql"))
    (host.app / "apps.py").write_text(python)
    metas = {"meta": "Thread", "other": "Message"}
    lines = {name: f'\n    class Meta:\n        db_table = "messaging_{model.lower()}"\n' for name, model in metas.items()}
    (host.app / "models.py").write_text(MODELS.format(**lines))
    initial = host.app / "migrations" / "0001_initial.py"
    text = initial.read_text().replace("to='messaging.", "to='shop_messaging.")
    for model in metas.values():
        text = re.sub(rf"(name='{model}',)", rf"\1\n            options={{'db_table': 'messaging_{model.lower()}'}},", text)
    initial.write_text(text)
    with closing(sqlite3.connect(host.folder / "db.sqlite3")) as connection, connection:
        connection.executescript(sql)
    host.install(OURS, 'INSTALLED_APPS += ["shop.messaging"]\n')

    assert host.manage("makemigrations", "--check", "--dry-run") == "No changes detected"
    host.manage("migrate", "-v0")
    assert host.manage("shell", "-v0", "-c", READ % "shop_messaging") == "kept ada 1 1"
    tables: Any = {"messaging_thread", "messaging_message", "messaging_thread_members", "messaging_ledger"}
    with closing(sqlite3.connect(host.folder / "db.sqlite3")) as connection:
        assert tables <= {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}

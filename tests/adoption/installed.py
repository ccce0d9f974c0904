"""The wheel of `messaging/`, an environment with it and what it requires, and a project there that `startproject` made."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.env import ROOT
from walkthrough.scenarios import one_database

INSTALL_SECONDS, COMMAND_SECONDS = 170, 60
#: What pip says if no registry can be reached.
UNREACHED = ("Failed to establish a new connection", "Temporary failure in name resolution", "Network is unreachable", "timed out")
SETTINGS = """
import os

INSTALLED_APPS += ["django_outbox_pattern", "messaging", "accounts", "billing"]
MESSAGING = {
    "CONTEXTS": {"accounts": {"database": "default"}, "billing": {"database": "default"}},
    "BROKER_URL": os.environ.get("SHOP_BROKER_URL", "filesystem://"),
    "BROKER_OPTIONS": {name: str(BASE_DIR / "queues") for name in ("data_folder_in", "data_folder_out", "control_folder")},
}
ROOT_URLCONF = os.environ.get("SHOP_URLS", "shop.urls")
DATABASES["default"]["ENGINE"] = os.environ.get("SHOP_ENGINE", "django.db.backends.sqlite3")
"""
API_URLS = 'from messaging.http import urls\n\nurlpatterns = urls("accounts")\n'
HEALTH_URLS = "from messaging.operations.health import urls\n\nurlpatterns = urls()\n"


def build(folder: Path) -> Path:
    """Build the wheel with the installed backend, without a network."""
    done = _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, extras: str = "") -> Path:
    """Make an empty environment and install the wheel, with the versions that are installed here. Returns its Python.

    `extras` is as pip takes it: "[redis,signing]". Without a network the test is skipped. Where `CI` is set it fails.
    """
    python = folder / "bin" / "python"
    made = _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    assert made.returncode == 0, made.stderr
    here = folder / "constraints.txt"
    here.write_text("".join(f"{each.name}=={each.version}\n" for each in importlib.metadata.distributions()))
    # Half of an installation's time is compiling; what is used is compiled when it is imported.
    options = ("--quiet", "--no-compile", "--retries", "1", "--constraint", str(here))
    done = _run([sys.executable, "-m", "pip", "--python", str(python), "install", *options, f"{wheel}{extras}"])
    if done.returncode and any(words in done.stderr for words in UNREACHED) and not os.environ.get("CI"):
        pytest.skip(f"No package registry can be reached, so nothing was installed: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return python


def _run(words: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS, **options)


class Project:
    """A project that `startproject` made in an environment with the wheel."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        unwanted = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VAR_DIR")
        self.environment = {name: value for name, value in os.environ.items() if name not in unwanted}

    def make(self) -> None:
        """Make the project, and do what the documentation says."""
        self.run("-m", "django", "startproject", "shop", ".")
        for app in one_database.APPS:
            shutil.copytree(one_database.FOLDER / app, self.folder / app, ignore=shutil.ignore_patterns("__pycache__"))
        with (self.folder / "shop" / "settings.py").open("a") as settings:
            settings.write(SETTINGS)
        (self.folder / "queues").mkdir()
        (self.folder / "shop" / "api_urls.py").write_text(API_URLS)
        (self.folder / "shop" / "health_urls.py").write_text(HEALTH_URLS)

    def command(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.python), *words],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def run(self, *words: str, **variables: str) -> Any:
        """Run a command that succeeds. Returns its last line, read as JSON if it is JSON."""
        done = self.command(*words, **variables)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return json.loads(last) if last.startswith(("{", "[")) else last

    def manage(self, *words: str, **variables: str) -> Any:
        return self.run("manage.py", *words, **variables)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start one of the programs that run beside the project."""
        log = (self.folder / "log.txt").open("a")
        with log:
            return subprocess.Popen(
                [str(self.python), "manage.py", *words], cwd=self.folder, env=self.environment, stdout=log, stderr=log, text=True
            )

"""Settings come from the environment, and an error in it is reported in a sentence before anything starts."""

import json
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from config.env import ROOT
from tests import warm
from walkthrough.urls import urlpatterns

OURS = {
    "BILLING_DATABASE_URL", "CONTEXTS", "DATABASE_URL", "DEBUG", "MONOLITH_DATABASE_URL", "SECRET_KEY", "USERS_DATABASE_URL",
}  # fmt: skip
LONG_KEY = "a-key-for-this-test-only-" + "0123456789abcdefghijklmnopqrstuvwxyz"
PRODUCTION = {
    "DEBUG": "0",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",  # Django 6.1 checks that it isn't the console
    "SECRET_KEY": LONG_KEY,
    **{f"{name}_API_URL": "https://contexts.test" for name in ("USERS", "BILLING", "MONOLITH")},
}
DESCRIBE = """
import django, json
django.setup()
from django.conf import settings
from django.urls import get_resolver
print(json.dumps({
    "contexts": settings.CONTEXT_NAMES,
    "databases": sorted(settings.DATABASES),
    "apps": settings.INSTALLED_APPS,
    "urls": [str(pattern.pattern) for pattern in get_resolver().url_patterns],
    "secret": bool(settings.SECRET_KEY),
    "sqlite": settings.DATABASES["default"]["OPTIONS"].get("transaction_mode"),
}))
"""


IMPORT = """
import sys
import config.settings
ours = {"messaging", "users", "billing", "monolith", "walkthrough"}
print(sorted(name for name in sys.modules if name.partition(".")[0] in ours))
"""
FILESYSTEM = {"CELERY_BROKER_URL": "filesystem://"}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project with only these of its variables set."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    variables = {**kept, "DJANGO_SETTINGS_MODULE": "config.settings", "CELERY_BROKER_URL": "memory://", **environment}
    return warm.run(arguments, cwd=ROOT, env=variables, timeout=120)


def describe(**environment: str) -> dict[str, Any]:
    done = python("-c", DESCRIBE, **environment)
    assert done.returncode == 0, done.stderr
    described: dict[str, Any] = json.loads(done.stdout)
    return described


def refusal(**environment: str) -> str:
    done = python("manage.py", "check", **environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_every_default_runs_with_nothing_set() -> None:
    described = describe()

    assert described["contexts"] == ["users", "billing", "monolith"]
    assert described["databases"] == ["billing", "default", "monolith", "users"]
    assert described["sqlite"] == "IMMEDIATE"
    assert described["secret"]


def test_production_refuses_to_start_without_a_secret_key() -> None:
    assert "SECRET_KEY is not set, and DEBUG=0 needs it." in refusal(DEBUG="0")


def test_production_passes_the_deployment_checks(tmp_path: Path) -> None:
    production = {**PRODUCTION, "VAR_DIR": str(tmp_path)}
    assert python("manage.py", "collectstatic", "--noinput", **production).returncode == 0
    done = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **production)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_production_has_no_walkthrough() -> None:
    assert "walkthrough" in describe(DEBUG="1")["apps"]
    assert "walkthrough" not in describe(DEBUG="0", SECRET_KEY=LONG_KEY)["apps"]


#: The active parts of the walkthrough: its URLs, its hooks in the relay and the publisher, its commands.
ACTING = """
import django, json, sys
django.setup()
from django.core.management import get_commands
from django.test import Client
from django.urls import resolve, Resolver404
from messaging import failpoints
from users import services

def there(path):
    try:
        return bool(resolve(path))
    except Resolver404:
        return False

client = Client(headers={"host": "localhost", "x-forwarded-proto": "https"})
paths = json.loads(sys.argv[1])
print(json.dumps({
    "urls": [path for path in paths if there(path)],
    "answers": sorted({ask(path).status_code for path in paths for ask in (client.get, client.post)}) if sys.argv[2] else [],
    "hooks": len(failpoints.passages) + len(failpoints.listeners) + len(services.withholding),
    "commands": sorted(name for name, app in get_commands().items() if app == "walkthrough"),
    "module": "walkthrough.control.faults" in sys.modules,
}))
"""


def acting(ask: bool, **environment: str) -> dict[str, Any]:
    samples = {"<uuid:user_id>": str(uuid.uuid4()), "<int:number>": "4", "<slug:step>": "storm"}
    samples |= {"<slug:kind>": "fault", "<slug:name>": "drop", "<slug:what>": "on", "<slug:part>": "relay"}
    paths = ["/" + "".join(samples.get(part, part) for part in re.split("(<[^>]+>)", str(one.pattern))) for one in urlpatterns]
    assert len(paths) > 10
    done = python("-c", ACTING, json.dumps(paths), "ask" if ask else "", **environment)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told["all"] = len(told["urls"]) == len(paths)
    return told


def test_production_has_nothing_that_breaks_things_on_purpose() -> None:
    absent = {"urls": [], "hooks": 0, "commands": [], "module": False, "all": False}
    assert acting(True, DEBUG="0", SECRET_KEY=LONG_KEY) == {**absent, "answers": [404]}
    assert acting(True, CONTEXTS="users,billing") == {**absent, "answers": [404]}  # nor has a deployment of some contexts
    here = acting(False, DEBUG="1")
    assert (here["all"], here["hooks"], here["module"]) == (
        True,
        3,
        True,
    )  # passage, listener, publisher: all exist
    assert {"tour", "dual_write"} <= set(here["commands"])


def test_in_production_a_monitor_is_not_sent_to_https_and_everybody_else_is() -> None:
    ask = (
        "import django, json; django.setup(); from django.test import Client; client = Client(headers={'host': 'localhost'})\n"
        "paths = ('/healthz', '/readyz', '/metrics', '/admin/', '/api/docs/')\n"
        "print(json.dumps({path: client.get(path).status_code for path in paths}))"
    )
    done = python("-c", ask, DEBUG="0", SECRET_KEY=LONG_KEY)

    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert codes == {"/healthz": 200, "/readyz": 503, "/metrics": 503, "/admin/": 301, "/api/docs/": 301}  # nothing is migrated


def test_a_switch_is_not_guessed() -> None:
    assert "DEBUG='maybe' is not a switch. Use 1 or 0." in refusal(DEBUG="maybe")


def test_an_unknown_context_is_named() -> None:
    assert "Unknown in CONTEXTS: shipping. Use some of users, billing, monolith." in refusal(CONTEXTS="billing,shipping")


@pytest.mark.parametrize("name", ["users", "billing", "monolith"])
def test_a_process_may_be_one_context(name: str) -> None:
    described = describe(CONTEXTS=name)
    others = {"users", "billing", "monolith"} - {name}

    assert described["contexts"] == [name]
    assert described["databases"] == sorted(["default", name])
    assert [app for app in described["apps"] if app.split(".")[0] in {*others, name, "walkthrough"}] == [
        f"{name}.apps.{name.capitalize()}Config"
    ]
    assert f"api/{name}/" in described["urls"]
    assert not {f"api/{other}/" for other in others} & set(described["urls"])
    assert python("manage.py", "check", CONTEXTS=name).returncode == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ada:open-sesame@localhost:not-a-port/users",
        "nonsense://ada:open-sesame@localhost/users",
        "mysql://ada:open-sesame@localhost/users",
        "open-sesame",
    ],
)
def test_a_bad_database_url_is_refused_without_its_password(url: str) -> None:
    done = python("manage.py", "check", USERS_DATABASE_URL=url)

    assert done.returncode != 0
    assert "USERS_DATABASE_URL" in done.stderr.strip().splitlines()[-1]
    assert "open-sesame" not in done.stdout + done.stderr


def test_no_setting_is_deprecated() -> None:
    """Django says so when the settings are loaded, so no other test of the suite would see it."""
    done = python("manage.py", "check", PYTHONWARNINGS="error::DeprecationWarning,error::PendingDeprecationWarning")
    assert done.returncode == 0, done.stderr


#: Django 6.1 has mailers, and `get_connection` before it.
DESCRIBE_MAIL = """
import django
django.setup()
from django.core import mail
found = mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()
print(type(found).__module__, getattr(found, "host", None), getattr(found, "timeout", None))
"""


@pytest.mark.parametrize(
    ("environment", "described"),
    [
        ({}, "django.core.mail.backends.console None None"),
        ({"EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend"}, "django.core.mail.backends.smtp localhost 10"),
        (
            {"EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend", "EMAIL_HOST": "mail.example.org"},
            "django.core.mail.backends.smtp mail.example.org 10",
        ),
    ],
)
def test_the_environment_chooses_how_mail_is_sent(environment: dict[str, str], described: str) -> None:
    done = python("-c", DESCRIBE_MAIL, **environment)
    assert (done.stdout.strip(), done.stderr) == (described, "")


def test_checks_open_no_database(tmp_path: Path) -> None:
    assert python("manage.py", "check", VAR_DIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.rglob("*.sqlite3")) == []


def test_importing_the_settings_reads_no_settings_and_writes_nothing(tmp_path: Path) -> None:
    done = python("-c", IMPORT, VAR_DIR=str(tmp_path / "var"), **FILESYSTEM)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "var").exists()


def test_a_command_makes_the_folders_that_its_databases_and_its_broker_need(tmp_path: Path) -> None:
    var = tmp_path / "var"
    done = python("manage.py", "migrate", "--database", "users", "--verbosity", "0", VAR_DIR=str(var), **FILESYSTEM)
    assert done.returncode == 0, done.stderr
    assert var.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (var / "broker").iterdir()) == ["control", "messages", "processed"]


def test_each_context_that_handles_events_has_its_queue() -> None:
    asked = (
        "import django; django.setup(); from messaging.celery import app; "
        "print([(queue.name, queue.queue_arguments) for queue in app.conf.task_queues])"
    )
    done = python("-c", asked, CONTEXTS="users,monolith", QUEUE_TYPE="quorum")
    assert "[('users', {'x-queue-type': 'quorum', 'x-delivery-limit': 2147483647})]" in done.stdout, done.stderr

"""`startcontext`: what it refuses, what it writes, and that it writes all files or none. `tests/adoption` runs what it wrote."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connections, models

from messaging.management.scaffold import writing
from messaging.management.scaffold.host_settings import ROUTER
from messaging.management.scaffold.publishers import Publisher
from messaging.management.scaffold.sources import copied_facts
from messaging.publisher import DomainEvent, Feed
from tests.commands.calling import Ended, call

RUFF = Path(sys.executable).parent / "ruff"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which somebody types the command."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def odd() -> Iterator[type[models.Model]]:
    """A model as hosts have them: a long name, and columns that not every copy can have."""

    class CustomerOrderOfTheWholesaleDepartment(models.Model):
        score = models.FloatField(primary_key=True)
        a_code_with_a_name_that_is_longer_than_usual = models.CharField(max_length=40, unique=True)
        parent = models.ForeignKey("self", models.CASCADE)
        version = models.IntegerField()
        details = models.JSONField(default=dict)
        delivered_on = models.DateField()
        paid_on = models.DateField(null=True)
        total_of_all_positions_before_taxes = models.DecimalField(max_digits=12, decimal_places=2)
        public_reference_of_the_customer = models.UUIDField(default=uuid.uuid4)
        class_of_the_customer_at_that_time = models.CharField(max_length=10)
        changed_at = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "auth"

    yield CustomerOrderOfTheWholesaleDepartment
    del apps.all_models["auth"]["customerorderofthewholesaledepartment"]
    apps.clear_cache()


def start(
    *words: str, name: str = "shipping", model: str = "auth.User", fields: str = "id,is_active", publisher: str = "accounts"
) -> Ended:
    chosen = ["--publisher", publisher] if publisher else []
    return call("startcontext", name, "--from", model, "--fields", fields, *chosen, *words)


def refused(project: Path, *words: str, **arguments: str) -> str:
    ended = start(*words, **arguments)
    assert (ended.code, ended.out) == (2, "")
    assert list(project.iterdir()) == []
    return ended.err


# --- What it refuses: one sentence with the way out, and nothing is written ---


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Shipping", "begins with a lower-case letter"),
        ("ship-ping", "has only lower-case letters, digits and underscores"),
        ("class", "no word of Python"),
        ("s" * 51, "at most 50 characters"),
        ("users", "is taken: it is an app of this project. Choose another name"),
        ("json", "is taken: it is a Python module that can be imported here. Choose another name"),
        ("monolith_invoices", "is taken: it is a feed in the setting MESSAGING"),
        ("accounts", "accounts can't publish auth.User and keep a copy of it. Name another publisher: --publisher NAME"),
    ],
)
def test_a_name_that_a_context_cannot_have(project: Path, name: str, said: str) -> None:
    assert said in refused(project, name=name)


def test_a_folder_that_exists(project: Path) -> None:
    (project / "shipping").mkdir()
    ended = start()
    assert ended.code == 2
    assert f"'shipping' is taken: it is a file or folder in {project}." in ended.err
    assert list(project.rglob("*")) == [project / "shipping"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("auth", "isn't a model. Write an app's label and a model's name: --from auth.User"),
        ("auth.Usr", "Its models: auth.Group, auth.Permission, auth.User."),
        ("shop.User", "No installed app with label 'shop'. Apps with models: admin, auth,"),
        ("monolith.Invoice", "is in monolith_invoices, a further feed of monolith, whose copies are only pulled"),
    ],
)
def test_a_model_that_cannot_be_copied(project: Path, model: str, said: str) -> None:
    assert said in refused(project, model=model, publisher="")


def test_a_model_that_the_project_has_swapped(project: Path, settings: Any) -> None:
    settings.AUTH_USER_MODEL = "users.User"
    assert "--from auth.User: this project uses users.User instead. Name that: --from users.User" in refused(project)


@pytest.mark.django_db(databases=["default"])
def test_a_view_has_no_triggers(project: Path) -> None:
    class Name(models.Model):
        id = models.IntegerField(primary_key=True)
        name = models.TextField()

        class Meta:
            app_label, managed, db_table = "auth", False, "auth_name"

    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE VIEW auth_name AS SELECT id, username AS name FROM auth_user")
        said = refused(project, model="auth.Name", fields="name")
        assert "auth.Name is a view. Copy the tables that it reads, each in a context's feed of its own." in said
    finally:
        del apps.all_models["auth"]["name"]
        apps.clear_cache()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("id,is_actve", "auth.User has no field 'is_actve'. Its fields: id, password,"),
        (
            "groups",
            "auth.User.groups is a relation that other tables keep. Leave it out, or copy the other table to another context.",
        ),
        ("id", "names no fact. Name at least one field besides the key"),
        ("is_active,is_active", "names is_active twice. Leave one out."),
        ("version=is_active", "'version' is the name of another column of the copy. Give the fact another name"),
        ("user_id=is_active", "'user_id' is the name of another column of the copy"),
        ("save=is_active", "'save' is an attribute of every event or model. Give the fact another name: --fields new_name=save"),
        ("wire=is_active", "'wire' is an attribute of every event or model"),
        ("is-active=is_active", "isn't a name that a Django model and an event can have"),
    ],
)
def test_fields_that_cannot_be_copied(project: Path, fields: str, said: str) -> None:
    assert said in refused(project, fields=fields)


def test_a_column_that_databases_write_differently(project: Path, odd: type[models.Model]) -> None:
    said = refused(project, "--key", "a_code_with_a_name_that_is_longer_than_usual", model=odd._meta.label, fields="details")
    assert "is a JSONField. A copy can only have texts, integers, decimals" in said
    assert "leave the field out." in said


def test_a_key_that_cannot_be_an_id_names_those_that_can(project: Path, odd: type[models.Model]) -> None:
    said = refused(project, model=odd._meta.label, fields="version")
    assert "has no key that a copy can use" in said
    assert "Name another unique field: --key NAME, one of a_code_with_a_name_that_is_longer_than_usual." in said
    assert "isn't unique, or may be NULL" in refused(project, "--key", "version", model=odd._meta.label, fields="paid_on")


def test_a_database_that_settings_lack(project: Path) -> None:
    said = refused(project, "--database", "shipping")
    assert "--database shipping: DATABASES has no such entry. It has: default, users, billing, monolith." in said
    assert 'DATABASES["shipping"] = {**DATABASES["default"], "NAME": ' in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"publisher": "sessions"}, "The publisher sessions is installed outside"),
        ({"publisher": "json"}, "The publisher 'json' is taken: it is a Python module that can be imported here. Name another one"),
        ({"publisher": ""}, "The publisher users is installed outside"),  # the plural of auth.User
        ({"model": "users.User", "fields": "id,status"}, "users publishes users.User already. Leave out --publisher."),
    ],
)
def test_a_publisher_that_cannot_publish_it(project: Path, arguments: dict[str, str], said: str) -> None:
    assert said in refused(project, **arguments)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            "id,status,nickname",
            "users doesn't publish nickname. Add it to UserFacts in users.events, with a default, and type: python ",
        ),
        ("id,nick=name,status", "users doesn't publish name as nick. Add it to UserFacts"),
        ("id,name", "users marks erased rows by status='erased', so a copy needs that fact. Add it to --fields: status"),
    ],
)
def test_facts_that_the_publisher_lacks(project: Path, fields: str, said: str) -> None:
    assert said in refused(project, model="users.User", fields=fields, publisher="")


def test_contexts_that_are_a_list_get_no_databases(project: Path, settings: Any) -> None:
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": ["users", "billing", "monolith"]}
    assert 'Write it as a dict: {"users": {"database": "users"}, ' in refused(project)


def test_settings_that_a_line_at_the_end_would_not_change(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.parent / "elsewhere.py").write_text("INSTALLED_APPS = []\n")
    monkeypatch.syspath_prepend(project.parent)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "elsewhere")
    said = refused(project, "--write-settings")
    assert "elsewhere doesn't set INSTALLED_APPS itself, so lines at its end would change nothing. Leave out" in said
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    assert "DJANGO_SETTINGS_MODULE isn't set, so the settings have no file." in refused(project, "--write-settings")


def test_the_lines_are_added_to_the_settings_file(project: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project.parent / "ours.py"
    file.write_text(f"INSTALLED_APPS = {settings.INSTALLED_APPS!r}\nMESSAGING = {{}}")
    monkeypatch.syspath_prepend(project.parent)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "ours")
    monkeypatch.setattr("ours.MESSAGING", settings.MESSAGING)
    ended = start("--write-settings", "--json")
    assert ended.json["settings_file"] == str(file)
    assert file.read_text().endswith("MESSAGING = {}\n\n" + "\n".join(ended.json["settings"]) + "\n")


def test_a_folder_that_python_does_not_import_from(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"New apps in {tmp_path} couldn't be imported. Type the command in the folder of manage.py." in refused(project)


@pytest.fixture
def bakery(project: Path, settings: Any) -> Iterator[Path]:
    """An app of the project's own."""
    folder = project / "bakery"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "models.py").write_text(
        "from django.db import models\n\n\nclass Loaf(models.Model):\n    weight = models.IntegerField()\n"
    )
    settings.DATABASE_ROUTERS = ["messaging.database.router.ContextRouter"]  # the project's own refuses apps that it doesn't know
    settings.INSTALLED_APPS = (*settings.INSTALLED_APPS, "bakery")
    yield folder
    apps.all_models.pop("bakery")
    for name in ("bakery", "bakery.models"):
        sys.modules.pop(name)


class TheirRouter:
    """A router of the host that has no opinion."""


def test_the_router_comes_before_those_of_the_host(bakery: Path, settings: Any) -> None:
    """One of theirs may keep the new tables out. They may be a tuple."""
    settings.DATABASE_ROUTERS = (f"{__name__}.{TheirRouter.__name__}",)
    ended = start("--database", "users", model="bakery.Loaf", fields="weight", publisher="loaves")
    assert f'DATABASE_ROUTERS = ["{ROUTER}", *DATABASE_ROUTERS]\n' in ended.out


def test_events_of_another_kind_are_not_overwritten(bakery: Path) -> None:
    (bakery / "events.py").write_text("FAIR = 'in May'\n")
    ended = start(model="bakery.Loaf", fields="weight", publisher="")
    assert ended.code == 2
    assert "bakery.events exists already, and isn't overwritten. Name a new app that publishes: --publisher NAME" in ended.err
    assert not (bakery.parent / "shipping").exists()
    ended = start(model="bakery.Loaf", fields="weight", publisher="loaves")
    assert 'INSTALLED_APPS += ("loaves", "shipping")\n' in ended.out


# --- What it writes ---


@pytest.mark.parametrize(("tests", "made"), [("tests/__init__.py", "tests/test_feed.py"), ("tests.py", "test_feed.py")])
def test_an_own_app_gets_a_feed_beside_its_files(bakery: Path, tests: str, made: str) -> None:
    (bakery / tests).parent.mkdir(exist_ok=True)
    (bakery / tests).touch()
    ended = start(model="bakery.Loaf", fields="weight", publisher="")
    assert 'INSTALLED_APPS += ("shipping",)\n' in ended.out
    new = {"events.py", "feed.py", "contracts/bakery.loaf.changed.v1.json", made}
    assert set(texts(bakery)) == {"__init__.py", "models.py", tests, *new}
    assert (bakery / "feed.py").read_text().endswith('FEED = Feed(model="bakery.Loaf", facts=LoafFacts)\n')


def test_a_foreign_key_is_found_by_both_of_its_names() -> None:
    class EntryFacts(DomainEvent):
        user_id: int

    feed = Feed(model="admin.LogEntry", facts=EntryFacts)
    publisher = Publisher("admin", "default", Path(), "admin", False, feed)
    key = LogEntry._meta.get_field("id")
    for name in ("user", "user_id"):
        assert [fact.name for fact in copied_facts(LogEntry, name, key, publisher)] == ["user_id"]


def texts(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): path.read_text() for path in project.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }


def well_formed(project: Path) -> None:
    for rule in (
        ["format", "--check", "--diff"],
        ["format", "--check", "--diff", "--line-length=132"],
        ["check", "--select=F,I,B,UP,SIM,DJ"],
    ):
        done = subprocess.run([RUFF, *rule, "--isolated", "--no-cache", "."], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_prints_what_to_do_in_numbered_steps(project: Path) -> None:
    ended = start()
    assert ended.out.startswith(
        "shipping keeps a copy of auth.User (id, is_active), which accounts publishes.\n\nWritten, 15 files:\n"
    )
    steps = [line for line in ended.out.splitlines() if line[:1].isdigit()]
    assert [step[:2] for step in steps] == ["1.", "2.", "3.", "4.", "5.", "6."]
    assert max(len(line) for line in ended.out.splitlines()) <= 88
    assert (
        """
1. Add these lines to the end of your settings.

   INSTALLED_APPS += ["accounts", "shipping"]
   MESSAGING["CONTEXTS"] |= {
       "accounts": {"database": "default"},
       "shipping": {"database": "default"},
   }

2. Create the tables and triggers.

   python manage.py migrate
"""
        in ended.out
    )
    assert 'record(UserChanged(is_active=user.is_active), subject=user.pk, using="default")' in ended.out


def test_a_missing_broker_is_a_step(project: Path, settings: Any) -> None:
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": ""}
    assert 'Name a broker in your settings. The next commands need one.\n\n   MESSAGING["BROKER_URL"] = "redis://' in start().out


def test_the_code_is_short(project: Path) -> None:
    start()
    code = {
        name: text
        for name, text in texts(project).items()
        if name.endswith(".py") and "tests" not in name and "migrations" not in name
    }
    assert sum(1 for text in code.values() for line in text.splitlines() if line.strip()) <= 70
    assert not [name for name, text in texts(project).items() if name.endswith(".py") and "#" in text]
    # A login writes `last_login` without an event.
    assert code["accounts/feed.py"].endswith('aggregate="accounts.user",\n    facts=UserFacts,\n    ignore=("last_login",),\n)\n')
    well_formed(project)


def test_long_names_and_every_kind_of_column_are_well_formed(project: Path, odd: type[models.Model]) -> None:
    names = [field.name for field in odd._meta.local_concrete_fields if field.name not in {"score", "details", "version", "parent"}]
    ended = start(
        *("--key", "a_code_with_a_name_that_is_longer_than_usual", "--database", "users"),
        model=odd._meta.label,
        fields=",".join(["revision=version", *names]),
    )
    assert ended.code == 0, ended.err
    well_formed(project)
    written = texts(project)
    assert 'key="a_code_with_a_name_that_is_longer_than_usual"' in written["accounts/feed.py"]
    assert 'fields={"revision": "version"}' in written["accounts/feed.py"]
    assert 'gone={"delivered_on": date(1970, 1, 1)}' in written["accounts/feed.py"]
    assert "    paid_on: date | None\n" in written["accounts/events.py"]
    assert "    changed_at: Moment\n" in written["shipping/caches.py"]
    assert '    databases = {"users"}\n' in written["shipping/tests.py"]
    assert "python manage.py migrate\n   python manage.py migrate --database users\n" in ended.out


def test_a_value_that_only_a_person_can_choose_is_a_step(project: Path, odd: type[models.Model]) -> None:
    """A row that points to its own kind can't be made from nothing."""
    ended = start("--key", "a_code_with_a_name_that_is_longer_than_usual", model=odd._meta.label, fields="paid_on")
    assert f"has an ellipsis (...).\n\n   {odd._meta.label}.parent\n" in ended.out
    assert "parent=...,\n" in texts(project)["accounts/tests.py"]


def test_a_second_consumer_reuses_the_events_and_the_feed(project: Path) -> None:
    ended = start(model="users.User", fields="id,status", publisher="")
    written = texts(project)
    assert {name.partition("/")[0] for name in written} == {"shipping"}
    assert "record(" not in ended.out
    assert "python manage.py test shipping\n" in ended.out
    assert written["shipping/handlers.py"].count("Handler(reads=UserFacts, apply=apply_user_changes)") == 5
    assert 'final=("status", "erased")' in written["shipping/caches.py"]
    assert 'tombstone=("status", "erased")' in written["shipping/caches.py"]
    assert "user_id = models.UUIDField(primary_key=True)" in written["shipping/models.py"]
    assert 'INSTALLED_APPS += ["shipping"]\n   MESSAGING["CONTEXTS"] |= {"shipping": {"database": "default"}}\n' in ended.out
    well_formed(project)


def test_a_context_that_settings_name_already_keeps_its_database(project: Path, settings: Any) -> None:
    known = settings.MESSAGING["CONTEXTS"]
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": {**known, "shipping": {"database": "billing"}}}
    assert "says that shipping is in the database billing. Leave out --database." in refused(project, "--database", "users")
    ended = start()
    assert 'MESSAGING["CONTEXTS"] |= {"accounts": {"database": "default"}}\n' in ended.out
    assert "python manage.py migrate --database billing\n" in ended.out


def test_it_is_refused_the_second_time(project: Path) -> None:
    start()
    before = texts(project)
    assert start().code == 2
    assert texts(project) == before


# --- All files or none ---


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there.py").write_text("mine")
    (tmp_path / "settings.py").write_text("A = 1")
    new = {tmp_path / "app" / "deep" / "one.py": "1", tmp_path / "there.py": "2"}
    with pytest.raises(FileExistsError):
        writing.write(new, {})
    with pytest.raises(IsADirectoryError):
        writing.write({tmp_path / "app" / "one.py": "1"}, {tmp_path / "settings.py": "B = 2\n", tmp_path: ""})
    assert texts(tmp_path) == {"there.py": "mine", "settings.py": "A = 1"}
    assert not (tmp_path / "app").exists()


def test_text_is_added_below_a_last_line_without_an_end(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("A = 1")
    writing.write({}, {tmp_path / "settings.py": "\nB = 2\n"})
    assert (tmp_path / "settings.py").read_text() == "A = 1\n\nB = 2\n"


def test_a_link_to_nowhere_is_in_the_way(project: Path) -> None:
    (project / "shipping").symlink_to(project / "nowhere")
    ended = start()
    assert ended.code == 2
    assert f"Nothing was written: {project / 'shipping'} exists already. Move it away, or choose other names." in ended.err
    assert [path.name for path in project.iterdir()] == ["shipping"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder in which not even root can write")
def test_a_folder_without_write_access_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc/self")
    monkeypatch.syspath_prepend(Path.cwd())
    ended = start()
    assert ended.code == 3
    assert "Nothing was written: " in ended.err
    assert "type the command again" in ended.err

"""`boundaries.E002`: no context's source reaches into another context."""

from pathlib import Path

import pytest

from config import boundaries
from messaging.boundaries import rules

CONTEXTS = ("users", "billing", "monolith")
STORAGE = {"users_user": "users", "USERS_DATABASE_URL": "users", "billing_invoice": "billing"}


@pytest.fixture
def billing(tmp_path: Path) -> Path:
    folder = tmp_path / "billing"
    folder.mkdir()
    return folder


def scan(folder: Path, source: str, alias: str = "billing") -> list[str]:
    (folder / "planted.py").write_text(source, encoding="utf-8")
    found = rules.crossing_code(folder, context="billing", contexts=CONTEXTS, storage=STORAGE, alias=alias)
    return [finding.message for finding in found]


@pytest.mark.parametrize(
    "planted",
    [
        'apps.get_model("users", "User")',
        'apps.get_model("users.User")',
        'apps.get_model(app_label="users", model_name="User")',
        'get_model("Users.User")',
        'apps.get_app_config("users").get_models()',
        'apps.all_models["users"]',
        'import_module("users.models")',
        'importlib.import_module("users")',
        'import_module(".models", package="users")',
        'import_string("users.models.User")',
        '__import__("users.models")',
        'import_string(f"users.{name}")',
        'Invoice.objects.using("users")',
        'Invoice.objects.db_manager("users")',
        'invoice.save(using="users")',
        'transaction.atomic("users")',
        'transaction.atomic(using="users")',
        'call_command("migrate", database="users")',
        'connections["users"].cursor()',
        'settings.DATABASES["users"]',
        'os.environ["USERS_DATABASE_URL"]',
        "cursor.execute('SELECT email FROM users_user')",
        "cursor.execute('SELECT email FROM \"users_user\" u')",
        "cursor.execute(f'UPDATE USERS_USER SET {x}')",
        "class Meta:\n    managed, db_table = False, 'users_user'",
        'ALIAS = "users"\nInvoice.objects.using(ALIAS)',
        "from importlib import import_module as load\nload('users.models')",
    ],
)
def test_a_planted_crossing_is_found(billing: Path, planted: str) -> None:
    (message,) = scan(billing, f"import os\n\n{planted}\n")

    line = 4 if "\n" in planted else 3
    assert message.startswith(f"billing/planted.py:{line}: billing reaches into users"), message


@pytest.mark.parametrize(
    "allowed",
    [
        'apps.get_model("billing", "Invoice")',
        'Invoice.objects.using("billing")',
        "cursor.execute('SELECT 1 FROM billing_invoice')",
        '# Invoice.objects.using("users"), and users_user',
        '"""What became of users_user."""',
        "def f():\n    '''Reads no users_user.'''",
        'HANDLERS = {"users.user.suspended.v1": apply}',
        'catch_up(authority="users")',
        'import_string("users_elsewhere.thing")',
        "name = 'users_user_id'",
        "using(alias)",
    ],
)
def test_allowed_code_of_a_context(billing: Path, allowed: str) -> None:
    assert scan(billing, allowed) == []


def test_modules_below_the_folder_are_read_too(billing: Path) -> None:
    (billing / "management" / "commands").mkdir(parents=True)
    (billing / "management" / "commands" / "peek.py").write_text('User.objects.using("users")')

    (finding,) = rules.crossing_code(billing, context="billing", contexts=CONTEXTS, storage=STORAGE)

    assert finding.message.startswith("billing/management/commands/peek.py:1:")
    assert finding.hint


def test_the_real_tables_are_known() -> None:
    names = boundaries.storage_names()

    assert names["users_user"] == "users"
    assert names["billing_cacheduser"] == names["billing_invoice"] == "billing"
    # Every context has these in its own database, so naming them crosses no boundary.
    assert not {"published", "received", "messaging_ledger"} & set(names)


@pytest.mark.parametrize("alias", ["default", "users"])
@pytest.mark.parametrize(
    "planted",
    ['apps.get_model("users.User")', "cursor.execute('SELECT email FROM users_user')", 'app_configs["users"]'],
)
def test_a_crossing_inside_one_database_is_found(billing: Path, planted: str, alias: str) -> None:
    assert len(scan(billing, planted, alias)) == 1


def test_a_context_may_name_the_database_that_it_shares(billing: Path) -> None:
    assert scan(billing, 'transaction.atomic(using="users")', "users") == []
    assert len(scan(billing, 'transaction.atomic(using="monolith")', "users")) == 1

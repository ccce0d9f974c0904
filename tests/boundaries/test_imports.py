"""The project keeps import-linter's contracts, and each planted import breaks the intended one."""

from pathlib import Path

import pytest

from walkthrough.control.project_copy import copy_project, plant, run

CONTEXTS = "Contexts do not know each other"
MESSAGING = "Messaging knows no context"
AROUND = "Contexts know neither the walkthrough nor the project around them"
FLOORS = "Each package of messaging imports only what stands below it"
ALONE = "Messaging's boundaries stand alone"
DOORS = "Applications come in by messaging's doors"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)


def test_the_project_keeps_every_contract(project: Path) -> None:
    done = run("lint-imports", project=project)

    assert done.returncode == 0, done.stdout + done.stderr
    for contract in (CONTEXTS, MESSAGING, AROUND, FLOORS, ALONE, DOORS):
        assert f"{contract} KEPT" in done.stdout


@pytest.mark.parametrize(
    ("path", "planted", "contract"),
    [
        ("billing/planted.py", "import users.models", CONTEXTS),
        ("users/planted.py", "from billing.models import Invoice", CONTEXTS),
        ("billing/planted.py", "def late():\n    from users import services", CONTEXTS),
        ("messaging/planted.py", "import billing.models", MESSAGING),
        ("messaging/planted.py", "from config import contexts", MESSAGING),
        ("users/planted.py", "import walkthrough", AROUND),
        ("billing/planted.py", "from config import settings", AROUND),
        ("messaging/database/planted.py", "from messaging.publisher import outbox", FLOORS),
        ("messaging/http/planted.py", "def late():\n    from messaging.replica import client", FLOORS),
        ("messaging/replica/planted.py", "from messaging.http import urls", FLOORS),
        ("messaging/authority/planted.py", "def late():\n    from messaging.http import urls", FLOORS),
        ("messaging/ledger/planted.py", "from messaging.consumer import inbox", FLOORS),
        ("messaging/planted.py", "", FLOORS),
        ("messaging/ledger/planted.py", "from messaging.boundaries import rules", FLOORS),
        ("messaging/boundaries/planted.py", "from messaging import models", ALONE),
        ("messaging/boundaries/crossings/planted.py", "from messaging.events import text", ALONE),
        ("messaging/management/commands/planted.py", "from messaging.boundaries.crossings import survey", FLOORS),
        ("users/planted.py", "from messaging.publisher import outbox", DOORS),
        ("billing/planted.py", "from messaging.consumer.inbox import receive", DOORS),
        ("billing/planted.py", "from messaging.testing.delivery import deliver", DOORS),
        ("messaging/operations/planted.py", "from messaging import testing", FLOORS),
    ],
)
def test_a_planted_import_is_rejected(project: Path, path: str, planted: str, contract: str) -> None:
    plant(project, path, planted)

    done = run("lint-imports", project=project)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout
    assert path.removesuffix(".py").replace("/", ".") in done.stdout

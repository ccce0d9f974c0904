"""The chapters' copy of the project: planted, rejected, taken out, and gone with the next reset."""

from pathlib import Path

import pytest

from config.env import ROOT
from walkthrough.control import project_copy


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(project_copy, "KEPT", tmp_path / "copy")
    return project_copy.fresh_copy()


def test_a_copy_has_every_package_that_the_rules_read(copy: Path) -> None:
    assert {"users", "billing", "config", "manage.py", "pyproject.toml"} <= {path.name for path in copy.iterdir()}
    assert (copy / "billing" / "models.py").read_text() == (ROOT / "billing" / "models.py").read_text()


def test_what_was_planted_is_taken_out_again(copy: Path) -> None:
    for path in ("billing/models.py", "billing/planted.py"):
        project_copy.plant(copy, path, "import users.models")
        assert "import users.models" in (copy / path).read_text()
        project_copy.restore(copy, path)
    assert (copy / "billing" / "models.py").read_text() == (ROOT / "billing" / "models.py").read_text()
    assert not (copy / "billing" / "planted.py").exists()


def test_a_fresh_copy_has_nothing_of_the_last_one(copy: Path) -> None:
    project_copy.plant(copy, "billing/planted.py", "import users.models")
    assert not (project_copy.fresh_copy() / "billing" / "planted.py").exists()
    project_copy.remove_copy()
    assert not copy.exists()

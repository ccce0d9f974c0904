"""The chapters' copy of the project: planted, rejected, taken out, and gone with the next reset."""

from pathlib import Path

import pytest

from config.environment import ROOT
from walkthrough import planting


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(planting, "COPY", tmp_path / "copy")
    return planting.fresh_copy()


def test_a_copy_has_every_package_that_the_rules_read(copy: Path) -> None:
    assert {"users", "billing", "config", "manage.py", "pyproject.toml"} <= {path.name for path in copy.iterdir()}
    assert (copy / "billing" / "models.py").read_text() == (ROOT / "billing" / "models.py").read_text()


def test_what_was_planted_is_taken_out_again(copy: Path) -> None:
    for path in ("billing/models.py", "billing/planted.py"):
        planting.plant(copy, path, "import users.models")
        assert "import users.models" in (copy / path).read_text()
        planting.restore(copy, path)
    assert (copy / "billing" / "models.py").read_text() == (ROOT / "billing" / "models.py").read_text()
    assert not (copy / "billing" / "planted.py").exists()


def test_a_fresh_copy_has_nothing_of_the_last_one(copy: Path) -> None:
    planting.plant(copy, "billing/planted.py", "import users.models")
    assert not (planting.fresh_copy() / "billing" / "planted.py").exists()
    planting.remove_copy()
    assert not copy.exists()


def test_a_command_in_a_copy_reads_the_copy_and_writes_below_it(copy: Path) -> None:
    planting.plant(copy, "billing/planted.py", "import users.models")
    assert planting.run("lint-imports", "--no-cache", project=copy).returncode == 1
    where = planting.run("python", "-c", "from config.environment import ROOT, VAR; print(ROOT); print(VAR)", project=copy)
    assert where.stdout.split() == [str(copy), str(copy / "var")]

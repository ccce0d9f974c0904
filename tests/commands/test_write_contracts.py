"""`write_contracts`: the committed JSON Schemas are what the code says."""

import json
import shutil
from pathlib import Path

import pytest
from django.apps import apps

from messaging import contracts
from tests.commands.calling import call


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The contracts of `users`, in a copy."""
    config = apps.get_app_config("users")
    shutil.copytree(Path(config.path) / "contracts", tmp_path / "contracts")
    monkeypatch.setattr(config, "path", str(tmp_path))
    return tmp_path / "contracts"


@pytest.mark.parametrize("context", ["users", "billing"])
def test_the_committed_files_are_what_the_code_says(context):
    ended = call("write_contracts", context, "--check", "--json")
    assert (ended.code, ended.json) == (0, {"stale": []})
    committed = {path.stem for path in (Path(apps.get_app_config(context).path) / "contracts").glob("*.json")}
    assert committed == {wire for wire, _ in contracts.schemas(context)}


def test_check_names_stale_files_and_writes_nothing(folder):
    changed, missing, orphan = (folder / f"users.user.{name}.v1.json" for name in ("created", "erased", "cloned"))
    changed.write_text("{}")
    missing.unlink()
    orphan.write_text("{}")
    ended = call("write_contracts", "users", "--check")
    assert ended.code == 1
    assert all(path.name in ended.err for path in (changed, missing, orphan))
    assert "users.user.suspended.v1.json" not in ended.err
    assert "manage.py write_contracts users" in ended.err
    assert changed.read_text() == "{}"
    assert not missing.exists()


def test_writes_what_differs_and_leaves_what_no_event_has(folder):
    changed, orphan = folder / "users.user.created.v1.json", folder / "users.user.cloned.v1.json"
    changed.write_text("{}")
    orphan.write_text("{}")
    ended = call("write_contracts", "users", "--json")
    assert (ended.code, ended.json) == (0, {"written": [changed.name], "orphans": [orphan.name]})
    assert json.loads(changed.read_text())["title"] == "UserCreated"
    assert orphan.exists()
    assert "Every file is as it was" in call("write_contracts", "users").out


def test_an_unknown_context():
    assert call("write_contracts", "shipping").code == 2

"""`write_contracts`: the committed JSON Schemas equal the code."""

import json
import shutil
from pathlib import Path

import pytest
from django.apps import apps

from messaging.events import contract
from tests.commands.calling import call


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the contracts of `users`."""
    config = apps.get_app_config("users")
    shutil.copytree(Path(config.path) / "contracts", tmp_path / "contracts")
    monkeypatch.setattr(config, "path", str(tmp_path))
    return tmp_path / "contracts"


@pytest.mark.parametrize("context", ["users", "billing"])
def test_the_committed_files_equal_the_code(context):
    ended = call("write_contracts", context, "--check", "--json")
    assert (ended.code, ended.json) == (0, {"stale": [], "changes": []})
    committed = {path.stem for path in (Path(apps.get_app_config(context).path) / "contracts").glob("*.json")}
    assert committed == {wire for wire, _ in contract.schemas(context)}


def change(path, **properties):
    """Change fields of a committed schema, as if the code had changed; None removes a field."""
    schema = json.loads(path.read_text())
    for name, values in properties.items():
        if values is None:
            del schema["properties"][name]
            schema["required"].remove(name)
        else:
            schema["properties"][name] = {**schema["properties"].get(name, {}), **values}
    path.write_text(json.dumps(schema))


def test_check_names_stale_files_and_writes_nothing(folder):
    changed, missing, orphan = (folder / f"users.user.{name}.v1.json" for name in ("created", "erased", "cloned"))
    change(changed, status={"description": "Other words."})
    before = changed.read_text()
    missing.unlink()
    orphan.write_text("{}")
    ended = call("write_contracts", "users", "--check")
    assert ended.code == 1
    assert "This would break consumers. users.user.cloned.v1: removed. The code no longer publishes it." in ended.err
    assert "users.user.suspended.v1" not in ended.err
    orphan.unlink()
    ended = call("write_contracts", "users", "--check")
    assert ended.code == 1
    assert changed.name in ended.err
    assert missing.name in ended.err
    assert "users.user.erased.v1: new type." in ended.err
    assert "manage.py write_contracts users" in ended.err
    assert changed.read_text() == before
    assert not missing.exists()


def test_it_writes_changed_files_and_keeps_unrelated_ones(folder):
    changed, orphan = folder / "users.user.created.v1.json", folder / "users.user.cloned.v1.json"
    change(changed, status={"description": "Other words."})
    orphan.write_text("{}")
    ended = call("write_contracts", "users", "--json")
    assert ended.code == 0
    assert (ended.json["written"], ended.json["orphans"]) == ([changed.name], [orphan.name])
    assert json.loads(changed.read_text())["title"] == "UserCreated"
    assert orphan.exists()
    assert "All files are up to date" in call("write_contracts", "users").out


def test_a_breaking_change_is_refused_with_the_field_and_the_rule_and_nothing_is_written(folder):
    changed, other = folder / "users.user.suspended.v1.json", folder / "users.user.created.v1.json"
    change(changed, nickname={"type": "string"})  # the code doesn't publish this any more
    change(other, status={"description": "Other words."})
    before = changed.read_text(), other.read_text()
    ended = call("write_contracts", "users")
    assert ended.code == 3
    assert "users.user.suspended.v1, nickname: removed. Consumers that read it would park every event." in ended.err
    assert "publish a new version" in ended.err
    assert (changed.read_text(), other.read_text()) == before
    ended = call("write_contracts", "users", "--check", "--json")
    assert ended.code == 1
    broken = [(found["type"], found["field"], found["rule"]) for found in ended.json["changes"] if found["breaking"]]
    assert broken == [("users.user.suspended.v1", "nickname", "removed")]


def test_a_field_that_needs_a_default_is_refused(folder):
    change(folder / "users.user.suspended.v1.json", name=None)  # committed without it, so the code's `name` is new
    ended = call("write_contracts", "users")
    assert ended.code == 3
    assert "users.user.suspended.v1, name: new, without a default." in ended.err


def test_breaking_writes_it_on_demand(folder):
    changed = folder / "users.user.suspended.v1.json"
    change(changed, nickname={"type": "string"})
    ended = call("write_contracts", "users", "--breaking", "--json")
    assert (ended.code, ended.json["written"]) == (0, [changed.name])
    assert call("write_contracts", "users", "--check").code == 0


@pytest.mark.parametrize("text", ["", "no JSON", "[]"])
def test_a_file_without_a_schema_is_reported_in_a_sentence(folder, text):
    (folder / "users.user.suspended.v1.json").write_text(text)
    for words in ([], ["--check"]):
        ended = call("write_contracts", "users", *words)
        assert ended.code == 1
        assert "users.user.suspended.v1.json is not a JSON Schema. Restore it from version control." in ended.err


def test_an_unknown_context():
    assert call("write_contracts", "shipping").code == 2

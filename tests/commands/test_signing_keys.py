"""`signing_keys`: public keys are printed, signing keys never; a new key is added to the old one."""

import resource

import pytest

from tests.commands.calling import call
from tests.signing import keys as signing_keys

keys = signing_keys()


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MESSAGING = {**settings.MESSAGING, "KEY_FOLDER": tmp_path}
    return tmp_path


def test_a_key_is_changed_in_three_steps_and_never_printed(folder):
    first = call("signing_keys", "users", "--json")
    (old,) = first.json["public_keys"]
    said = [call("signing_keys", "users"), call("signing_keys", "users", "add"), call("signing_keys", "users", "switch")]
    private = (folder / "users").read_text().split()
    said.append(call("signing_keys", "users", "forget"))
    (new,) = keys.public_key_texts("users")
    assert [line.out.splitlines()[0] for line in said] == [
        f"USERS_PUBLIC_KEYS={old}",
        f"USERS_PUBLIC_KEYS={old},{new}",
        f"USERS_PUBLIC_KEYS={new},{old}",
        f"USERS_PUBLIC_KEYS={new}",
    ]
    assert len(private) == 2
    assert not [line.out for line in said if any(key in line.out for key in private)]
    assert len((folder / "users").read_text().split()) == 1


def test_there_must_be_another_key_to_switch_to():
    ended = call("signing_keys", "users", "switch")
    assert (ended.code, "Create another one first: manage.py signing_keys users add" in ended.err) == (2, True)


def test_keys_of_the_environment_are_changed_there(settings):
    seed = keys.text(b"s" * 32)
    settings.MESSAGING = {**settings.MESSAGING, "SIGNING_KEYS": lambda context: [seed]}
    assert call("signing_keys", "users", "--json").json["public_keys"] == [keys.public_text(seed)]
    ended = call("signing_keys", "users", "add")
    assert (ended.code, "Change USERS_SIGNING_KEYS" in ended.err) == (3, True)


def test_another_context_is_no_choice():
    assert call("signing_keys", "mallory").code == 2


@pytest.mark.parametrize("action", ["add", "switch", "forget"])
def test_a_disk_that_takes_no_more_leaves_the_keys_as_they_were(folder, action):
    call("signing_keys", "users", "add")
    before = (folder / "users").read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # like a full disk: no file takes more than ten bytes
    try:
        ended = call("signing_keys", "users", action)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (ended.code, "The keys of users can't be saved" in ended.err) == (3, True)
    assert [file.name for file in folder.glob("[!.]*")] == ["users"]
    assert (folder / "users").read_text() == before


@pytest.mark.parametrize("content", ["", "not a key"])
def test_a_file_without_a_key_is_reported(folder, content):
    (folder / "users").write_text(content)
    assert call("signing_keys", "users").code == 3

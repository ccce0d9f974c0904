"""`signing_keys`: public keys are printed, signing keys never; a new one comes beside the old one."""

import pytest

from messaging import keys
from tests.commands.calling import call


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
    (new,) = keys.told("users")
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
    assert (ended.code, "Make another one first: signing_keys users add" in ended.err) == (2, True)


def test_keys_of_the_environment_are_changed_there(settings):
    seed = keys.text(b"s" * 32)
    settings.MESSAGING = {**settings.MESSAGING, "SIGNING_KEYS": lambda context: [seed]}
    assert call("signing_keys", "users", "--json").json["public_keys"] == [keys.public_text(seed)]
    ended = call("signing_keys", "users", "add")
    assert (ended.code, "change USERS_SIGNING_KEYS" in ended.err) == (3, True)


def test_another_context_is_no_choice():
    assert call("signing_keys", "mallory").code == 2

"""`make run` gives every consumer of this process a token."""

from pathlib import Path

import pytest

from config.runner import provisioning
from messaging.models import Consumer
from messaging.publisher import consumers

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings) -> Path:
    settings.MESSAGING = {**settings.MESSAGING, "TOKEN_FOLDER": tmp_path / "tokens"}
    return tmp_path / "tokens"


def test_the_first_start_registers_and_later_ones_say_nothing(folder: Path) -> None:
    assert list(provisioning.register()) == []
    for consumer, authority in (("billing", "users"), ("users", "billing")):
        token = (folder / f"{consumer}-at-{authority}").read_text().strip()
        assert consumers.by_token(authority, token).name == consumer
    assert list(provisioning.register()) == []


def test_a_register_from_before_there_were_tokens_gets_them(folder: Path) -> None:
    list(provisioning.register())
    Consumer.objects.using("users").update(token_hash="", token_expires_at=None)
    (folder / "billing-at-users").unlink()
    consumers.register_consumer(authority="users", name="shipping", types=["users.user.created.v1"], fields=["status"])

    assert list(provisioning.register()) == ["token: billing at users"]
    assert consumers.by_token("users", (folder / "billing-at-users").read_text().strip()).name == "billing"
    assert not (folder / "shipping-at-users").exists()
    assert list(provisioning.register()) == []

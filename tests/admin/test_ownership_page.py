"""The owner of a model's rows while they move, in the admins of both contexts."""

from datetime import timedelta

import pytest
from django.test import Client

from messaging.models import Ownership
from messaging.ownership import ownership
from messaging.split import move
from monolith.models import User
from tests.admin.pages import listed, page
from tests.commands.calling import call
from tests.commands.conftest import token_folder, web  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("web", "unguarded")]


def told(client: Client) -> dict[str, tuple[str, str, str]]:
    """Return (owner, follower, state) by context."""
    rows = {name: listed(client, f"{name}_ownership") for name in ("monolith", "users", "billing")}
    return {name: (row["owner"], row["follows"], row["now"]) for name, found in rows.items() for row in found}


def test_from_the_first_load_to_the_retirement(client: Client) -> None:
    User.objects.using("monolith").create(email="ada@example.org", name="Ada")
    assert told(client) == {}
    call("split", "users")
    assert told(client) == dict.fromkeys(("monolith", "users"), ("monolith", "users", "settled"))
    (row,) = listed(client, "users_ownership")
    assert (row["aggregate"], row["verdict_"]) == ("users.user", "in sync")
    assert row["verified"].endswith("ago")
    call("split", "users", "--flip")
    assert told(client) == dict.fromkeys(("monolith", "users"), ("users", "monolith", "settled"))
    assert "monolith.user" in page(client, "monolith_ownership", "monolith.user")
    call("split", "users", "--retire")
    assert told(client) == {"monolith": ("users", "nobody, retired", "settled")}


def test_in_a_write_pause_it_says_how_long_writers_wait(client: Client) -> None:
    call("split", "users")
    guard = move.split_of("users").old.guard
    until = ownership.pause(guard, timedelta(seconds=30))
    assert told(client)["monolith"] == ("monolith", "users", f"writers wait until {until:%H:%M:%S}")
    Ownership.objects.using("monolith").update(owner="users", until=None)  # taken, and not given yet
    assert told(client)["monolith"] == ("users", "monolith", "moving")
    ownership.take_back(guard)


@pytest.mark.parametrize("context", ["monolith", "users", "billing"])
def test_it_is_to_look_at_only(client: Client, context: str) -> None:
    Ownership.objects.using(context).create(aggregate="x.y", owner="users")
    url = f"/admin/{context}/ownership/"
    assert listed(client, f"{context}_ownership")[0]["follows"] == "-"
    assert client.get(f"{url}add/").status_code == 403
    assert client.post(f"{url}x.y/change/", {"owner": "billing"}).status_code == 403
    assert client.get(f"{url}x.y/delete/").status_code == 403

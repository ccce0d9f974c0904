"""The list of billing's copy: each row with its comparison to users, and a button that compares and repairs."""

import uuid

import pytest
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as Login
from django.test import Client
from django.urls import reverse

from billing.models import CachedUser
from messaging.models import Repair, Subscription
from messaging.replica import drift, search
from tests.admin.pages import listed
from tests.messaging.rows import authority_has, cache_has, cached
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
BUTTONS = "/admin/billing/cacheduser/reconcile/"


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """Skip the second that people need for messages on their way."""
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)


@pytest.fixture
def drifted(api) -> dict[str, str]:
    """Make rows that differ; returns the kind of difference by short id. One more user is missing."""
    Subscription.objects.using("billing").create(authority="users")
    same, stale, corrupt, ahead, revived, missing = authority_has(6)
    ghost = uuid.UUID(int=5)
    User.objects.using("users").filter(pk=stale).update(status="suspended")
    cache_has({key: (1, "active") for key in (same, stale, ghost)})
    cache_has({corrupt: (1, "suspended"), ahead: (9, "active"), revived: (3, "erased")})
    assert not CachedUser.objects.using("billing").filter(pk=missing).exists()
    kinds = {same: "equal", stale: "stale", corrupt: "corrupt", ahead: "ahead", ghost: "ghost", revived: "erased_here"}
    return {str(key)[:8]: kind for key, kind in kinds.items()}


def compared(client: Client) -> dict[str, str]:
    return {row["user"]: row["compared_now"] for row in listed(client, "billing_cacheduser")}


def press(client: Client, button: str) -> str:
    return client.post(BUTTONS, {button: ""}, follow=True).content.decode()


def test_each_row_says_how_it_compares(client: Client, drifted: dict[str, str]) -> None:
    assert compared(client) == drifted


def test_comparing_all_counts_what_is_missing_too_and_changes_nothing(client: Client, drifted: dict[str, str]) -> None:
    said = press(client, "compare").replace("\xa0", " ")
    assert "6 rows differ from users: 1 missing, 1 stale, 1 corrupt, 1 ghost, 1 ahead, 1 erased_here." in said
    assert compared(client) == drifted
    assert Subscription.objects.using("billing").get().drift == dict.fromkeys(drift.KINDS, 1)


def test_repairing_leaves_what_is_ahead_and_says_who_did_it(client: Client, drifted: dict[str, str]) -> None:
    said = press(client, "repair").replace("\xa0", " ")
    assert "6 rows differed (1 missing, 1 stale, 1 corrupt, 1 ghost, 1 ahead, 1 erased_here), 4 repaired." in said
    assert "manage.py reconcile billing --from users --repair --authority-wins" in said
    assert "manage.py erase_again users" in said
    assert sorted(compared(client).values()) == ["ahead", *["equal"] * 4, "erased_here"]
    assert Repair.objects.using("billing").get().done_by == "root"
    assert "The copy of users equals" not in press(client, "compare")
    CachedUser.objects.using("billing").filter(version=9).update(version=1)
    CachedUser.objects.using("billing").filter(status="erased").update(version=1, status="active")
    assert "The copy of users equals the authority&#x27;s rows, by fingerprints." in press(client, "compare")


def test_an_unreachable_authority_is_reported_and_the_list_opens(client: Client, settings) -> None:
    (key,) = authority_has(1)
    cache_has({key: (1, "active")})
    Subscription.objects.using("billing").create(authority="users")
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    assert compared(client) == {str(key)[:8]: "not known"}
    assert (
        "The rows aren&#x27;t compared. users doesn&#x27;t answer"
        in client.get(reverse("admin:billing_cacheduser_changelist")).content.decode()
    )
    assert "The copy couldn&#x27;t be compared. users doesn&#x27;t answer" in press(client, "repair")
    assert cached(key).version == 1


def test_a_viewer_may_not_repair(drifted: dict[str, str]) -> None:
    login = Login.objects.create_user("clerk", password="secret", is_staff=True)
    login.user_permissions.set(Permission.objects.filter(codename="view_cacheduser"))
    client = Client()
    client.force_login(login)
    assert compared(client) == drifted
    assert BUTTONS not in client.get(reverse("admin:billing_cacheduser_changelist")).content.decode()
    assert client.post(BUTTONS, {"repair": ""}).status_code == 403
    assert client.get(BUTTONS).status_code == 405
    assert not Repair.objects.using("billing").exists()

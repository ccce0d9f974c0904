"""The router for a host: it places the contexts' models, and has no opinion of the host's own."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from billing.models import CachedUser, Invoice
from messaging.database.router import ContextRouter, UnplacedModel
from messaging.models import Ledger

ROUTER = ContextRouter()


def declare(settings: Any, **databases: str) -> None:
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": {name: {"database": alias} for name, alias in databases.items()}}


def test_a_host_s_models_are_left_to_the_host(settings: Any) -> None:
    declare(settings, billing="billing")
    assert ROUTER.db_for_read(User) is ROUTER.db_for_write(User) is None
    assert ROUTER.allow_relation(User(), Group()) is None
    assert ROUTER.allow_migrate("default", "auth") is None
    assert ROUTER.allow_migrate("users", "auth") is None


def test_a_context_s_own_database_has_its_tables_and_messaging_s_alone(settings: Any) -> None:
    declare(settings, billing="billing")
    assert ROUTER.db_for_write(Invoice) == "billing"
    apps = ("billing", "messaging", "auth")
    assert [ROUTER.allow_migrate("billing", app) for app in apps] == [True, True, False]
    assert [ROUTER.allow_migrate("default", app) for app in apps] == [False, False, None]


def test_in_a_shared_database_messaging_s_tables_need_no_name(settings: Any) -> None:
    declare(settings, users="default", billing="default")
    assert ROUTER.db_for_read(Ledger) == "default"
    declare(settings, users="default", billing="billing")
    with pytest.raises(UnplacedModel, match="Name one of default, billing"):
        ROUTER.db_for_read(Ledger)


def test_a_relation_across_owners_is_refused_in_one_database_too(settings: Any) -> None:
    declare(settings, users="default", billing="default")
    assert ROUTER.allow_relation(Invoice(), CachedUser()) is True
    assert ROUTER.allow_relation(Invoice(), User()) is False

"""The router places every model in one database, and raises if it can't."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User as Login
from django.contrib.sessions.models import Session
from django.db import models, router
from django.test.utils import isolate_apps

from billing.models import CachedUser, Invoice
from config.router import UnplacedModel
from messaging.models import Ledger
from users.models import User


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with isolate_apps("users", "billing"):
        yield


@pytest.mark.parametrize(
    ("model", "alias"),
    [(User, "users"), (Invoice, "billing"), (CachedUser, "billing"), (Login, "default"), (Session, "default")],
)
def test_a_model_is_on_its_contexts_alias(model: type[models.Model], alias: str) -> None:
    assert router.db_for_read(model) == router.db_for_write(model) == alias


def test_a_model_of_no_known_context_raises() -> None:
    class Lost(models.Model):
        class Meta:
            app_label = "lost"

    for place in (router.db_for_read, router.db_for_write):
        with pytest.raises(UnplacedModel, match=r"lost\.Lost belongs to no context\. Add the app 'lost'"):
            place(Lost)


@pytest.mark.django_db(databases=["users"])
def test_a_messaging_model_needs_an_alias() -> None:
    with pytest.raises(UnplacedModel, match=r"messaging\.Ledger is in every context's database"):
        Ledger.objects.count()
    with pytest.raises(UnplacedModel, match="Name one of "):
        Ledger(aggregate="x.y", aggregate_id="1").save()

    assert Ledger.objects.using("users").count() == 0


def test_a_row_stays_on_the_alias_that_it_came_from() -> None:
    entry = Ledger()
    entry._state.db = "billing"

    assert router.db_for_write(Ledger, instance=entry) == "billing"


def test_a_related_instance_of_another_context_is_refused() -> None:
    class Planted(models.Model):
        user = models.ForeignKey(User, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "billing"

    with pytest.raises(ValueError, match="the current database router prevents this relation"):
        Planted(user=User(email="ada@example.com"))


def test_a_related_instance_of_the_same_context_is_taken() -> None:
    class Planted(models.Model):
        user = models.ForeignKey(User, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "users"

    user = User(email="ada@example.com")

    assert Planted(user=user).user is user


@pytest.mark.parametrize(
    ("app", "places"),
    [
        ("users", {"users"}),
        ("billing", {"billing"}),
        ("messaging", {"users", "billing"}),
        ("django_outbox_pattern", {"users", "billing"}),
        ("auth", {"default"}),
        ("admin", {"default"}),
        ("contenttypes", {"default"}),
        ("sessions", {"default"}),
    ],
)
def test_tables_are_made_where_their_models_are(app: str, places: set[str]) -> None:
    assert {alias for alias in ("default", "users", "billing") if router.allow_migrate(alias, app)} == places


def test_an_app_without_a_place_is_not_migrated_anywhere() -> None:
    with pytest.raises(UnplacedModel, match="'lost' has migrations but no database"):
        router.allow_migrate("default", "lost")


def test_a_related_instance_of_another_context_in_the_same_database_is_refused(settings: Any) -> None:
    both = {"users": {"database": "default"}, "billing": {"database": "default"}}
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": both}
    assert router.db_for_write(User) == router.db_for_write(Invoice) == "default"
    assert router.allow_relation(User(), User())
    for one, other in ((Invoice(), User()), (User(), Login()), (Login(), CachedUser())):
        assert not router.allow_relation(one, other)

"""`boundaries.E001`: no relation leads to another database."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User as Login
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from billing.models import Invoice
from config import boundaries
from messaging.boundaries import rules
from messaging.models import Ledger
from users.models import User


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register models that a test defines only here, where the check finds them."""
    with isolate_apps("users", "billing", "messaging") as registry:
        monkeypatch.setattr(rules, "apps", registry)
        yield


def assert_rejected(name: str) -> None:
    errors = boundaries.relations_stay_inside()
    assert [error.id for error in errors] == ["boundaries.E001"], errors
    assert name in errors[0].msg
    assert "events" in (errors[0].hint or "")


def test_a_foreign_key_to_another_context() -> None:
    class Planted(models.Model):
        user = models.ForeignKey(User, models.DO_NOTHING, related_name="+", db_constraint=False)

        class Meta:
            app_label = "billing"

    assert_rejected("users.User")


def test_a_foreign_key_to_a_context_that_is_not_installed_here() -> None:
    class Planted(models.Model):
        user = models.ForeignKey("users.Nobody", models.DO_NOTHING)

        class Meta:
            app_label = "billing"

    assert_rejected("users.Nobody")


def test_a_one_to_one_field() -> None:
    class Planted(models.Model):
        invoice = models.OneToOneField(Invoice, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "users"

    assert_rejected("billing.Invoice")


def test_a_many_to_many_field() -> None:
    class Planted(models.Model):
        users = models.ManyToManyField(User, related_name="+")

        class Meta:
            app_label = "billing"

    assert_rejected("users.User")


def test_a_many_to_many_through_another_contexts_model() -> None:
    class Friend(models.Model):
        class Meta:
            app_label = "billing"

    class Friendship(models.Model):
        class Meta:
            app_label = "users"

    class Planted(models.Model):
        friends = models.ManyToManyField(Friend, through=Friendship, related_name="+")

        class Meta:
            app_label = "billing"

    assert_rejected("users.Friendship")


@pytest.mark.parametrize("target", [Login, ContentType, Ledger])
def test_a_foreign_key_to_another_contexts_model(target: type[models.Model]) -> None:
    class Planted(models.Model):
        other = models.ForeignKey(target, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "billing"

    assert_rejected(target._meta.label)


def test_a_foreign_key_from_the_messaging_tables() -> None:
    class Planted(models.Model):
        user = models.ForeignKey(User, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "messaging"

    assert_rejected("users.User")


def test_inheritance_from_another_contexts_model() -> None:
    class Planted(User):
        class Meta:
            app_label = "billing"

    assert_rejected("users.User")


def test_a_proxy_of_another_contexts_model() -> None:
    class Planted(User):
        class Meta:
            app_label = "billing"
            proxy = True

    assert_rejected("users.User")


def test_allowed_relations() -> None:
    class Item(models.Model):
        parent = models.ForeignKey("Item", models.CASCADE)
        siblings = models.ManyToManyField("self")
        user_id = models.UUIDField()

        class Meta:
            app_label = "billing"

    class Entry(Ledger):  # billing's database has the messaging tables too
        class Meta:
            app_label = "billing"
            proxy = True

    assert boundaries.relations_stay_inside() == []

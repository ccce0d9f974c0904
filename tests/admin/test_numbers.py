"""Every list of the admin, with one row and with several: its number agrees with its noun."""

import re
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from messaging.database.outbox_pattern import WAITING
from messaging.events.text import plural
from messaging.settings import Alias

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

CONTEXTS = {"users", "billing", "monolith"}
MODELS = [model for model in admin.site._registry if model._meta.app_label in CONTEXTS]


def test_there_are_lists_of_every_context() -> None:
    assert {model._meta.app_label for model in MODELS} == CONTEXTS


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_list_counts_its_rows_with_their_noun(client: Client, model: type[models.Model], number: int) -> None:
    alias = admin.site._registry[model].using  # type: ignore[attr-defined]
    for _ in range(number):
        model._base_manager.using(alias).create(**filled(model, alias) | named(model, alias))
    options = model._meta
    html = client.get(reverse(f"admin:{options.app_label}_{options.model_name}_changelist")).content.decode()
    found = re.search(r'class="paginator"[^>]*>(.*?)</(?:p|nav)>', html, re.DOTALL)
    assert found
    noun = str(options.verbose_name)
    shown = re.sub(r"<h2.*?</h2>|<[^>]*>", "", found[1], flags=re.DOTALL)  # Django 6.1 adds a heading for screen readers
    assert shown.strip() == plural(number, noun, plural_of(noun))


def plural_of(noun: str) -> str:
    """Return the plural by English rules; no noun of this project is irregular."""
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(s|sh|ch|x)$", noun) else f"{noun}s"


def named(model: type[models.Model], alias: Alias) -> dict[str, Any]:
    """Return the columns by which the row is the context's."""
    context, columns = alias.context, {field.name for field in model._meta.concrete_fields}
    own: dict[str, Any] = {"context": context, "aggregate": f"{context}.{uuid.uuid4().hex}", "msg_id": f"{context}:{uuid.uuid4()}"}
    if "destination" in columns:
        own |= {"destination": f"{context}.user.created.v1", "status": WAITING}
    return {name: value for name, value in own.items() if name in columns}


def filled(model: type[models.Model], alias: str) -> dict[str, Any]:
    """Return values for all columns without a default, and new ones for unique columns."""
    found: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        unique = field.unique or any(field.name in getattr(one, "fields", ()) for one in model._meta.constraints)
        if field.primary_key and isinstance(field, models.AutoField):
            continue
        if (field.has_default() and not unique) or field.null or (field.blank and not unique):
            continue
        if isinstance(field, models.ForeignKey):
            related = field.related_model
            found[field.name] = related._base_manager.using(alias).create(**filled(related, alias))  # type: ignore[union-attr]
        else:
            found[field.name] = value(field)
    return found


def value(field: models.Field) -> Any:
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.JSONField):
        return {}
    if isinstance(field, models.IntegerField):
        return 1
    if field.choices:
        return field.choices[0][0]  # type: ignore[index]
    return uuid.uuid4().hex[: min(field.max_length or 7, 20)]

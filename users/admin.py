"""The authority's admin. Whatever it changes goes through the services, so that each change is announced."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from messaging import ledger
from messaging.admin import ContextAdmin, register
from users import services
from users.errors import UserError
from users.models import Authority, Consumer, Inbox, LedgerEntry, Outbox, ParkedMessage, User

DATABASE = "users"
register(
    DATABASE, outbox=Outbox, inbox=Inbox, parked=ParkedMessage, ledger=LedgerEntry, consumer=Consumer, subscription=Authority
)
#: Refusals that are shown one by one; the rest is counted.
MOST_REFUSALS = 5


class ReasonForm(ActionForm):
    reason = forms.CharField(required=False, max_length=200, label="Reason:", help_text="Where you suspend.")


class UserForm(forms.ModelForm):
    """A model's fields may be empty, since erased users exist; what a person types in may not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = True


class UserList(ChangeList):
    """Adds the ledger's versions to a page of users: one query for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        known = versions([user.pk for user in self.result_list])
        for user in self.result_list:
            user.ledger_version = known.get(user.pk)


def versions(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Each user's version, from the ledger."""
    found = ledger.positions(DATABASE, [("users.user", str(user_id)) for user_id in ids])
    return {uuid.UUID(subject): version for (_, subject), (version, _) in found.items()}

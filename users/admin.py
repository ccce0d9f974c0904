"""The authority's admin. Every change of a user goes through the services, so each one records its event."""

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from messaging.admin import CacheAdmin, ContextAdmin, register, short
from messaging.events import plural
from messaging.publisher import positions
from messaging.settings import context
from users import services
from users.errors import UserError
from users.models import CachedInvoice, User

DATABASE = context("users").alias
register("users")
#: Refusals that an action shows one by one. It only counts the rest.
MOST_REFUSALS = 5
#: Users that the question before an erasure names. It only counts the rest.
MOST_NAMES = 20


class ReasonForm(ActionForm):
    reason = forms.CharField(
        required=False, max_length=200, label="Reason:", widget=forms.TextInput({"placeholder": "why you suspend"})
    )


class UserForm(forms.ModelForm):
    """Requires every field. The model allows empty ones, because erased users have no email or name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = True


class UserList(ChangeList):
    """Adds the ledger's versions to a page of users, with one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        known = versions([user.pk for user in self.result_list])
        for user in self.result_list:
            user.ledger_version = known.get(user.pk)


def versions(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Read the users' versions from the ledger."""
    found = positions(DATABASE, [("users.user", str(user_id)) for user_id in ids])
    return {uuid.UUID(subject): version for (_, subject), (version, _) in found.items()}


@admin.register(User)
class UserAdmin(ContextAdmin):
    """Users. An admin can add, suspend, reactivate and erase them and change their e-mail address, each by a service."""

    context = "users"
    form = UserForm
    list_display = ("short_id", "email", "name", "status", "version", "created_at")
    list_display_links = ("short_id", "email")
    list_filter = ("status", "created_at")
    search_fields = ("email", "name", "^id")
    search_help_text = "Part of an address or a name, or the start of an id."
    action_form = ReasonForm
    actions = ("suspend", "reactivate", "erase")
    facts = ("name", "status", "version", "status_since", "suspension_reason", "created_at", "updated_at")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UserList

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return ("id", "email", *self.facts) if obj else ("email", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("id", "email", *self.facts) if obj.status == User.Status.ERASED else ("id", *self.facts)

    @admin.display(description="id", ordering="id")
    def short_id(self, user: User) -> str:
        return short(user.pk)

    def version(self, user: User) -> str:
        known = user.ledger_version if hasattr(user, "ledger_version") else versions([user.pk]).get(user.pk)
        return str(known or "-")

    # --- Every write is a service ---

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            saved = services.user_register(email=obj.email, name=obj.name)
            obj.__dict__.update(saved.__dict__)
        elif "email" in form.changed_data:
            services.user_change_email(user_id=obj.pk, email=obj.email)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        services.user_erase(user_id=obj.pk)
        self.message_user(request, "The user is erased: the id stays as a tombstone, without personal data.", messages.INFO)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        for user_id in list(queryset.values_list("pk", flat=True)):
            services.user_erase(user_id=user_id)
        self.message_user(request, "The users are erased: their ids stay as tombstones, without personal data.", messages.INFO)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the error of a service that refused a valid form, for example because another person was faster."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except UserError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    # --- Actions ---

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        reason = request.POST.get("reason", "").replace("\x00", "").strip() or "by hand"
        self._each(request, queryset, "suspended", lambda pk: services.user_suspend(user_id=pk, reason=reason))

    @admin.action(description="Reactivate", permissions=["change"])
    def reactivate(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        self._each(request, queryset, "reactivated", lambda pk: services.user_reactivate(user_id=pk))

    @admin.action(description="Erase for good", permissions=["delete"])
    def erase(self, request: HttpRequest, queryset: models.QuerySet[User]) -> HttpResponse | None:
        """Ask first, on a page of its own."""
        if "confirmed" not in request.POST:
            return self._ask(request, queryset)
        self._each(request, queryset, "erased", lambda pk: services.user_erase(user_id=pk))
        return None

    def _ask(self, request: HttpRequest, queryset: models.QuerySet[User]) -> HttpResponse:
        number = queryset.count()
        context = {
            **self.admin_site.each_context(request),
            "title": "Erase for good?",
            "question": f"Erase {plural(number, 'user')} for good?",
            "them": "the user" if number == 1 else "the users",
            "shown": queryset[:MOST_NAMES],
            "more": max(0, number - MOST_NAMES),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "across": request.POST.get("select_across", "0"),
            "back": request.get_full_path(),
            "opts": self.opts,
        }
        return TemplateResponse(request, "users/erase.html", context)

    def _each(self, request: HttpRequest, queryset: models.QuerySet[User], done: str, act: Callable[[uuid.UUID], Any]) -> None:
        refusals, total = [], 0
        for user_id in list(queryset.values_list("pk", flat=True)):
            try:
                act(user_id)
                total += 1
            except UserError as error:
                refusals.append(f"{str(user_id)[:8]}: {error}")
        if total:
            self.message_user(request, f"{plural(total, 'user')} {done}.", messages.SUCCESS)
        for refusal in refusals[:MOST_REFUSALS]:
            self.message_user(request, refusal, messages.ERROR)
        if len(refusals) > MOST_REFUSALS:
            self.message_user(request, f"{plural(len(refusals) - MOST_REFUSALS, 'more was', 'more were')} refused.", messages.ERROR)

    # --- The admin's log is in another database and is never erased, so it names users by id only ---

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        return self._log(request, obj, ADDITION, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        return self._log(request, obj, CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        return [self._log(request, user, DELETION, "Erased.") for user in queryset]

    def _log(self, request: HttpRequest, user: User, flag: int, message: Any) -> LogEntry:
        return LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type_id=get_content_type_for_model(user).pk,
            object_id=str(user.pk),
            object_repr=f"user {user.pk}",
            action_flag=flag,
            change_message=message if isinstance(message, str) else json.dumps(message),
        )


@admin.register(CachedInvoice)
class CachedInvoiceAdmin(CacheAdmin):
    """The copy of billing's invoices: if a row equals billing's, and where it came from."""

    context = "users"
    authority = "billing"
    list_display = ("invoice", "user", "status", "version", "compared_now", "source", "authority_time")
    list_filter = ("status", "source")
    search_fields = ("^invoice_id", "^user_id")
    search_help_text = "The id of an invoice or of its user, or the start of one."
    fields = ("invoice_id", "user_id", "status", "version", "source", "authority_time", "received_at", "postponed")

    @admin.display(description="invoice", ordering="invoice_id")
    def invoice(self, row: CachedInvoice) -> str:
        return short(row.pk)

    @admin.display(description="user", ordering="user_id")
    def user(self, row: CachedInvoice) -> str:
        return short(row.user_id)

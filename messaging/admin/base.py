"""The base of messaging's admin pages: each reads one context's database, and most are read-only."""

import json
import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from messaging.events.text import brief
from messaging.models import LedgerRows, OwnRows
from messaging.settings import Alias, context

if TYPE_CHECKING:
    BaseAdmin = admin.ModelAdmin[Any]
else:
    BaseAdmin = admin.ModelAdmin


class ContextAdmin(BaseAdmin):
    """A model's pages, bound to the database of one context."""

    context: str = ""
    #: Lookups for a search by a whole UUID.
    exact_ids: tuple[str, ...] = ("pk",)
    show_full_result_count = False
    list_per_page = 50

    class Media:
        css = {"all": ["messaging/admin.css"]}

    @property
    def using(self) -> Alias:
        return context(self.context).alias

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.of(self.using) if isinstance(rows, OwnRows | LedgerRows) else rows.using(self.using)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save(using=self.using)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        obj.delete(using=self.using)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **{**kwargs, "using": self.using})

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **{**kwargs, "using": self.using})

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Look a whole UUID up by index, and search any other text."""
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term.replace("\x00", ""))
        found = Q()
        for lookup in self.exact_ids:
            found |= Q((lookup, wanted if lookup in {"pk", "user_id"} else str(wanted)))
        return queryset.filter(found), False


class ReadOnlyAdmin(ContextAdmin):
    """Pages without adding, changing and deleting."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()  # Django's own says "Select … to view"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Allow actions to people with the model's change permission."""
        options = self.opts
        return bool(request.user.has_perm(f"{options.app_label}.change_{options.model_name}"))  # type: ignore[union-attr]


def short(value: Any) -> str:
    """Show the first eight characters of an id, and the whole id in a tooltip."""
    text = str(value or "")
    return format_html('<span class="id" title="{}">{}</span>', text, brief(text)) if text else "-"


def cut(words: str) -> str:
    """Show a sentence that the style sheet cuts to three lines, and the whole sentence in a tooltip."""
    return format_html('<div class="cut" title="{}">{}</div>', words, words) if words else "-"


def verbatim(text: str) -> str:
    return format_html("<pre>{}</pre>", text) if text else "-"


def pretty(value: Any) -> str:
    return verbatim(json.dumps(value, indent=2, ensure_ascii=False)) if value else "-"

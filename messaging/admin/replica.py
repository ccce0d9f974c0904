"""Admin page of a consumer's copy: each row of a list compared with what its authority says now, and a button that repairs."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from messaging.admin.base import ReadOnlyAdmin
from messaging.admin.consumers import counted
from messaging.consumer.cache import Cache
from messaging.errors import Denied, Unreachable
from messaging.events.text import plural
from messaging.replica import compare, drift, repair
from messaging.replica.replica import Replica
from messaging.replica.search import Difference

#: Seconds that the list waits for the authority. It has to open without an answer, too.
PATIENCE_SECONDS = 2.0


class CacheList(ChangeList):
    """Adds to a page of rows how each compares: one question for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: Any = self.model_admin
        try:
            found = page.compared([str(row.pk) for row in self.result_list])
        except (Unreachable, Denied) as error:
            found = {}
            messages.warning(request, f"Not compared. {error}")
        for row in self.result_list:
            row.drift = found.get(str(row.pk))


class CacheAdmin(ReadOnlyAdmin):
    """A copy to look at. `authority`: whose facts they are. What differs is the drift of this moment, and may be on its way; the
    button compares as `reconcile` does, which waits for that."""

    authority: str
    change_list_template = "messaging/cache_list.html"

    @property
    def replica(self) -> Replica:
        return Replica.of(self.context, self.authority)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CacheList

    def compared(self, ids: list[str]) -> dict[str, str]:
        """Kind of drift by id; "" where the rows are the same. Raises `Unreachable`, `Denied`."""
        if not ids:
            return {}
        replica, cache = self.replica, self.replica.cache
        own = drift.own_rows(replica.alias, cache, ids)  # first: what moves meanwhile makes them stale, and not ahead
        with replica.connected(patience=PATIENCE_SECONDS) as client:
            theirs = {record["id"]: drift.values_of(cache, record) for record in client.records(ids)}
        return {key: _kind(cache, key, theirs.get(key), own.get(key)) for key in ids}

    @admin.display(description="compared")
    def compared_now(self, row: Any) -> str:
        if row.drift is None:
            return "not known"
        return format_html('<b class="drift">{}</b>', row.drift) if row.drift else "in step"

    # --- The whole copy ---

    def get_urls(self) -> list[URLPattern]:
        own = path("reconcile/", self.admin_site.admin_view(self.compare_all), name=self._url_name)
        return [own, *super().get_urls()]

    @property
    def _url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_reconcile"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        more = {"authority": self.authority, "may_repair": self.has_settle_permission(request)}
        more["reconcile_url"] = reverse(f"admin:{self._url_name}")
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def compare_all(self, request: HttpRequest) -> HttpResponse:
        """Compare the whole copy, and repair it where that was asked for; what came of it is a message on the list."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_settle_permission(request):
            raise PermissionDenied
        found = compare.compare(self.replica)
        if found.verdict != "drift":
            level = messages.ERROR if found.error else messages.SUCCESS
            said = f"Nothing can be said. {found.error}" if found.error else f"Equal to what {self.authority} has, by fingerprints."
            self.message_user(request, said, level)
        elif "repair" in request.POST:
            self._repair(request, found)
        else:
            self.message_user(request, f"Compared with {self.authority}: {counted(found.counts)}.", messages.WARNING)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _repair(self, request: HttpRequest, found: compare.Comparison) -> None:
        try:
            repaired = repair.repair(self.replica, found, by=request.user.get_username())
        except (Unreachable, Denied) as error:
            self.message_user(request, f"Not repaired to the end. {error}", messages.ERROR)
            return
        self.message_user(request, f"{counted(found.counts)}: {plural(repaired, 'row')} repaired.", messages.SUCCESS)
        if left := found.differing - repaired:
            said = [plural(left, "row is left as it is.", "rows are left as they are.")]
            if found.counts["ahead"]:
                command = f"reconcile {self.context} --from {self.authority} --repair --authority-wins"
                said.append(f"A row that is ahead means that {self.authority} lost data; to overwrite it: {command}.")
            if found.counts["erased_here"]:
                said.append(
                    f"A row that is erased here stays so; to erase it at {self.authority} again: erase_again {self.authority}."
                )
            self.message_user(request, " ".join(said), messages.WARNING)


def _kind(cache: Cache, key: str, authority: dict[str, Any] | None, own: dict[str, Any] | None) -> str:
    then = drift.state_of(cache, key, authority)
    kind = drift.kind_of(then, then, drift.state_of(cache, key, own))
    if drift.erased_here(cache, own, authority):
        return "erased_here"
    return "" if compare.forgotten(cache, Difference(key, kind, authority, own)) else kind

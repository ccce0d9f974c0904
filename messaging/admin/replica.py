"""Admin page of a consumer's copy: each listed row is compared with the authority, and a button repairs the copy."""

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

#: Seconds that the list waits for the authority. It must open without an answer too.
PATIENCE_SECONDS = 2.0


class CacheList(ChangeList):
    """Compare the rows of a page with the authority, in one request."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: Any = self.model_admin
        try:
            found = page.compared([str(row.pk) for row in self.result_list])
        except (Unreachable, Denied) as error:
            found = {}
            messages.warning(request, f"The rows aren't compared. {error}")
        for row in self.result_list:
            row.drift = found.get(str(row.pk))


class CacheAdmin(ReadOnlyAdmin):
    """A copy, read-only. The list shows differences of this moment, so changes on their way show as drift.

    The button compares like `reconcile`, which waits for such changes.
    """

    #: The authority whose facts are copied.
    authority: str
    change_list_template = "messaging/cache_list.html"

    @property
    def replica(self) -> Replica:
        return Replica.of(self.context, self.authority)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CacheList

    def compared(self, ids: list[str]) -> dict[str, str]:
        """Return the kind of drift by id; "" for equal rows. Raises `Unreachable`, `Denied`."""
        if not ids:
            return {}
        replica, cache = self.replica, self.replica.cache
        own = drift.own_rows(replica.alias, cache, ids)  # read first: a change in between makes a row stale, not ahead
        with replica.connected(patience=PATIENCE_SECONDS) as client:
            theirs = {record["id"]: drift.values_of(cache, record) for record in client.records(ids)}
        return {key: _kind(cache, key, theirs.get(key), own.get(key)) for key in ids}

    @admin.display(description="compared")
    def compared_now(self, row: Any) -> str:
        if row.drift is None:
            return "not known"
        return format_html('<b class="drift">{}</b>', row.drift) if row.drift else "equal"

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
        """Compare the whole copy, and repair it if the button says so. The list then shows the result as a message."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_settle_permission(request):
            raise PermissionDenied
        found = compare.compare(self.replica)
        if found.verdict != "drift":
            level = messages.ERROR if found.error else messages.SUCCESS
            equal = f"The copy of {self.authority} equals the authority's rows, by fingerprints."
            said = f"The copy couldn't be compared. {found.error}" if found.error else equal
            self.message_user(request, said, level)
        elif "repair" in request.POST:
            self._repair(request, found)
        else:
            differ = plural(found.differing, "row differs", "rows differ")
            self.message_user(request, f"{differ} from {self.authority}: {counted(found.counts)}.", messages.WARNING)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _repair(self, request: HttpRequest, found: compare.Comparison) -> None:
        try:
            repaired = repair.repair(self.replica, found, by=request.user.get_username())
        except (Unreachable, Denied) as error:
            self.message_user(request, f"The repair stopped before its end. {error}", messages.ERROR)
            return
        differed = plural(found.differing, "row differed", "rows differed")
        level = messages.SUCCESS if repaired else messages.WARNING
        self.message_user(request, f"{differed} ({counted(found.counts)}), {repaired:,} repaired.", level)
        if left := found.differing - repaired:
            said = [plural(left, "row still differs.", "rows still differ.")]
            if found.counts["ahead"]:
                command = f"manage.py reconcile {self.context} --from {self.authority} --repair --authority-wins"
                said.append(f"A row that is ahead has a higher version here. If {self.authority} is right, replace it: {command}.")
            if found.counts["erased_here"]:
                said.append(
                    f"A row that is erased here stays. To erase it at {self.authority} too: manage.py erase_again {self.authority}."
                )
            self.message_user(request, " ".join(said), messages.WARNING)


def _kind(cache: Cache, key: str, authority: dict[str, Any] | None, own: dict[str, Any] | None) -> str:
    then = drift.state_of(cache, key, authority)
    kind = drift.kind_of(then, then, drift.state_of(cache, key, own))
    if drift.erased_here(cache, own, authority):
        return "erased_here"
    return "" if compare.forgotten(cache, Difference(key, kind, authority, own)) else kind

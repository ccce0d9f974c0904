"""The URLs of this process: its contexts' APIs, the admin, its health, and the walkthrough if it is installed."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config.security_headers import with_styles
from messaging import settings as messaging_settings
from messaging.http.views import urls
from messaging.operations import health

#: The design of a context's page. It gets the template as an argument, so it doesn't depend on the walkthrough.
LOOK: dict[str, Any] = {"base": "walkthrough/base.html"} if settings.WALKTHROUGH else {}

#: Pages without a login, so they exist only with the walkthrough and its demo people.
PAGED = [context for context in settings.CHOSEN if settings.WALKTHROUGH and context.pages]
FEEDS = messaging_settings.feeds()

urlpatterns = [
    *health.urls(),
    path("admin/", admin.site.urls),
    # These two pages need `drf_spectacular` in INSTALLED_APPS, and its sidecar. The API doesn't.
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", with_styles(SpectacularSwaggerSplitView.as_view()), name="api-docs"),
    *(path(f"api/{context.name}/", include(context.urls)) for context in settings.CHOSEN),
    *(path(f"{context.name}/", include(context.pages), LOOK) for context in PAGED),
    # A context may have several feeds; those without the context's name are mounted here.
    *(
        path(f"api/{feed}/", include(urls(feed)))
        for feed in messaging_settings.feeds()
        if feed != messaging_settings.authority(feed)
    ),
    *([path("", include("walkthrough.urls"))] if settings.WALKTHROUGH else []),
]

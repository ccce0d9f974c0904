"""The URLs of the contexts that this process is; the walkthrough at the root where it is installed."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(), name="api-docs"),
    *(path(f"api/{context.name}/", include(context.urls)) for context in settings.CHOSEN),
    # Pages without a login, so only where the walkthrough is: to learn from, with made-up people.
    *(path(f"{context.name}/", include(context.pages)) for context in settings.CHOSEN if settings.WALKTHROUGH and context.pages),
    *([path("", include("walkthrough.urls"))] if settings.WALKTHROUGH else []),
]

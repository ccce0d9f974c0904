"""The URLs of the contexts that this process is; the walkthrough at the root where it is installed."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    *(path(f"api/{context.name}/", include(context.urls)) for context in settings.CHOSEN),
    *([path("", include("walkthrough.urls"))] if settings.WALKTHROUGH else []),
]

"""Nobody asks notifications for anything."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

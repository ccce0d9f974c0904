"""The mail room has no API."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

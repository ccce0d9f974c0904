"""The API of the monolith: its tables, for registered consumers."""

from django.urls import include, path

from messaging.http import urls

urlpatterns = [path("", include(urls("monolith")))]

"""The API of `users`: its contracts for everybody, and its facts for registered consumers."""

from django.urls import include, path

from messaging.http import contracts_url, urls

urlpatterns = [contracts_url("users"), path("", include(urls("users")))]

"""The API of `billing`: its contracts for everybody, and its invoices for registered consumers."""

from django.urls import include, path

from messaging.http import contracts_url, urls

urlpatterns = [contracts_url("billing"), path("", include(urls("billing")))]

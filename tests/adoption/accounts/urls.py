"""The API of accounts."""

from django.urls import include, path

from messaging.http import urls

urlpatterns = [path("", include(urls("accounts")))]

"""The monolith's tables for those who follow them out of it."""

from django.urls import include, path

from messaging.http import urls

urlpatterns = [path("", include(urls("monolith")))]

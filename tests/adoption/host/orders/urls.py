"""The host's pages."""

from django.urls import path

from orders.views import sign_up

urlpatterns = [path("sign-up/", sign_up)]

"""The API of `billing`: its contracts, and its invoices for those who follow them."""

from django.urls import include, path

from billing.api.contracts import ContractsView
from messaging.http import urls

urlpatterns = [path("contracts/", ContractsView.as_view(), name="billing-contracts"), path("", include(urls("billing")))]

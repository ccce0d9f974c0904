"""The API of `billing`: its contracts for everybody, and its invoices for registered consumers."""

from django.urls import include, path

from billing.api.contracts import ContractsView
from messaging.http import urls

urlpatterns = [path("contracts/", ContractsView.as_view(), name="billing-contracts"), path("", include(urls("billing")))]

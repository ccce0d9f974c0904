"""The API of `billing`."""

from django.urls import path

from billing.api.contracts import ContractsView

urlpatterns = [path("contracts/", ContractsView.as_view(), name="billing-contracts")]

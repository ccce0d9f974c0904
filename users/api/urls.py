"""The API of `users`."""

from django.urls import path

from users.api.contracts import ContractsView

urlpatterns = [path("contracts/", ContractsView.as_view(), name="users-contracts")]

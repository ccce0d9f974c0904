"""The API of `users`: its contracts for everybody, and its facts for registered consumers."""

from django.urls import include, path

from messaging.http import urls
from users.api.contracts import ContractsView

urlpatterns = [path("contracts/", ContractsView.as_view(), name="users-contracts"), path("", include(urls("users")))]

"""The API of the authority `users`."""

from django.urls import include, path

from messaging.http import urls

urlpatterns = [path("api/users/", include(urls("users")))]

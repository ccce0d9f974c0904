"""The host's URLs: the authority's API, health, and an API of its own."""

from typing import Any

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from messaging.operations import health
from users.models import User


class Own(APIView):
    def get(self, request: Request) -> Response:
        return Response({"version": request.version})


class Open(APIView):
    """A view that writes, and is refused: `ATOMIC_REQUESTS` rolls it back."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    versioning_class = None

    def post(self, request: Request, **kwargs: Any) -> Response:
        User.objects.using("users").update(name="Written by the host")
        return Response(request.data)


urlpatterns = [
    *health.urls(),
    path("api/users/", include("users.api.urls")),
    path("own/", Own.as_view()),
    path("open/", Open.as_view()),
]

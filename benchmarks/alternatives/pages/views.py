"""The API's views. The last two are what teams write for a comparison, with keysets because offset pages would take seconds."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework import generics, serializers
from rest_framework.pagination import LimitOffsetPagination

from benchmarks.alternatives.facts.models import User

#: Columns that the consumer keeps.
KEPT = ("id", "version", "status", "status_since", "updated_at")
LARGEST = 10_000


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = KEPT


class Pages(LimitOffsetPagination):
    default_limit = 100
    max_limit = LARGEST


class Users(generics.ListAPIView):
    queryset = User.objects.order_by("id")
    serializer_class = UserSerializer
    pagination_class = Pages


class OneUser(generics.RetrieveAPIView):
    queryset = User.objects.all()
    serializer_class = UserSerializer


def versions(request: HttpRequest) -> JsonResponse:
    """Return the full list of ids and versions of all users."""
    return _after(request, "id", "version")


def dump(request: HttpRequest) -> JsonResponse:
    """Return all columns that the consumer keeps, of every user."""
    return _after(request, *KEPT)


def _after(request: HttpRequest, *names: str) -> JsonResponse:
    rows = User.objects.order_by("id")
    if after := request.GET.get("after"):
        rows = rows.filter(id__gt=after)
    # Full times: Django's encoder cuts them to milliseconds, and every row would differ.
    found = [[_plain(value) for value in row] for row in rows.values_list(*names)[:LARGEST]]
    return JsonResponse({"results": found})


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value

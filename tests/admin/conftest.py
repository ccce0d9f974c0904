"""A logged-in client, and the API that an admin page calls."""

import pytest
from django.contrib.auth.models import User as Login
from django.test import Client

from tests.messaging.conftest import api  # noqa: F401


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(Login.objects.create_superuser("root", "root@example.org", "secret"))
    return client

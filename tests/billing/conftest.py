"""Billing calls the users' API as a registered consumer."""

from tests.messaging.conftest import api  # noqa: F401

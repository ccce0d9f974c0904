"""The copy of billing's invoices: a move to overdue suspends its user once, by whatever way it comes; what is no news suspends nobody."""

import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from django_outbox_pattern.models import Published
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from billing.models import Invoice
from billing.services import invoice_mark_overdue, invoices_flag_late
from messaging.consumer import inbox
from messaging.consumer.handlers import wanted
from messaging.models import Consumer, Incident, Ledger, Subscription
from messaging.publisher import consumers, record
from messaging.publisher.feed import declared_feed
from messaging.replica import compare, lookup, pull, repair, search
from messaging.replica.replica import Replica
from users.models import CachedInvoice, User
from users.services import user_erase, user_reactivate, user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _one_process(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`users` reads billing's feed in this process, registered for what it reads."""
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: ""}
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)
    _register()

"""`generate_invoices`: billing's own job."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.utils import timezone

from billing.models import CachedUser, Invoice
from tests.commands.calling import call

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ROOT = Path(__file__).parents[2]


def cached(status):
    now = timezone.now()
    times = {"status_since": now, "authority_time": now, "received_at": now}
    CachedUser.objects.using("billing").create(user_id=uuid.uuid4(), status=status, version=1, source="event", **times)


def test_bills_active_users_once():
    for status in ("active", "active", "suspended", "erased"):
        cached(status)
    ended = call("generate_invoices", "--period", "2026-11", "--json")
    assert ended.code == 0
    assert ended.json == {"issued": 2, "skipped": 2, "held": 0, "reason": "", "already": 0}
    again = call("generate_invoices", "--period", "2026-11", "--json")
    assert again.json == {"issued": 0, "skipped": 2, "held": 0, "reason": "", "already": 2}
    assert Invoice.objects.using("billing").count() == 2


def test_tells_a_person():
    cached("active")
    assert "1 invoices issued for 2026-12" in call("generate_invoices", "--period", "2026-12").out


@pytest.mark.parametrize("period", ["2026-13", "November", "2026-11\n", "1999-01", ""])
def test_wrong_period(period):
    ended = call("generate_invoices", "--period", period)
    assert ended.code == 2
    assert "is not a month" in ended.err
    assert not Invoice.objects.using("billing").exists()


def test_a_period_is_required():
    ended = subprocess.run([sys.executable, "manage.py", "generate_invoices"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "--period" in ended.stderr

"""`seed_monolith`: the same demo people as in the split contexts, with invoices for a month."""

from datetime import date

import pytest

from messaging.ledger import ledger
from monolith.models import Invoice, User
from monolith.seeding import last_month
from tests.commands.calling import call
from users.models import User as SplitUser

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_active_users_get_an_invoice_for_the_month():
    ended = call("seed_monolith", "--users", "1200", "--suspended", "0.25", "--invoices", "2026-10", "--json")
    assert (ended.code, ended.json) == (0, {"users": 1200, "period": "2026-10", "invoices": 900})
    assert User.objects.filter(status="suspended").exclude(suspension_reason="").count() == 300
    assert Invoice.objects.filter(user__status="active", period="2026-10").count() == 900
    assert not ledger.unannounced("monolith", "monolith.user").exists()


def test_they_are_the_people_that_the_split_contexts_have():
    facts = ("id", "email", "name", "status", "status_since", "suspension_reason", "created_at")
    call("seed_monolith", "--users", "40", "--suspended", "0.1")
    call("seed", "--users", "40", "--suspended", "0.1")
    split = SplitUser.objects.using("users").order_by("id").values_list(*facts)
    assert list(User.objects.order_by("id").values_list(*facts)) == list(split)


def test_again_it_makes_other_people_and_none_comes_back():
    call("seed_monolith", "--users", "10")
    gone = User.objects.all()[0]
    gone_id = gone.pk
    gone.delete()
    call("seed_monolith", "--users", "10")
    assert User.objects.count() == 19
    assert not User.objects.filter(pk=gone_id).exists()


def test_the_default_month_is_the_last_one():
    assert [last_month(day) for day in (date(2026, 11, 24), date(2026, 1, 31), date(2026, 3, 1))] == [
        "2026-10",
        "2025-12",
        "2026-02",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--users", "-1"], "can't be less than 0"),
        (["--users", "1", "--suspended", "1.5"], "from 0 to 1"),
        (["--users", "1", "--invoices", "2026-13"], "not a month"),
    ],
)
def test_wrong_usage(words, sentence):
    ended = call("seed_monolith", *words)
    assert ended.code == 2
    assert sentence in ended.err
    assert not User.objects.exists()

"""Bootstrap grants: who may read from the beginning, and the check that finds those left open."""

from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from messaging import grants, registry
from messaging.checks import bootstrap_grants_are_closed
from messaging.models import Consumer

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

HOUR = timedelta(hours=1)
REFUSED = "bootstrap_closed"
NAMED = {"authority": "users", "name": "billing"}


@pytest.fixture(autouse=True)
def consumer():
    registry.register_consumer(**NAMED, types=["users.user.created.v1"], fields=["status"])


def entry():
    return Consumer.objects.using("users").get()


def answers(*positions):
    return [registry.may_read(entry(), since) for since in positions]


def expire():
    Consumer.objects.using("users").update(bootstrap_closes_at=timezone.now())


def test_from_its_registration_to_its_success_a_consumer_reads_from_the_beginning():
    assert answers(0, 1, 10**9) == ["", "", ""]
    registry.close_bootstrap(**NAMED, position=20)
    assert answers(0, 19, 20, 21) == [REFUSED, REFUSED, "", ""]
    assert grants.in_words(entry()) == "closed, live from 20"


def test_a_consumer_that_never_was_live_reads_nothing_once_its_time_is_over():
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    assert answers(0, 5) == ["", ""]
    expire()
    assert answers(0, 5) == [REFUSED, REFUSED]
    registry.close_bootstrap(**NAMED)
    assert answers(0, 5) == [REFUSED, REFUSED]
    assert grants.in_words(entry()) == "closed, never live"
    registry.close_bootstrap(**NAMED)  # twice is as good as once
    assert answers(0, 5) == [REFUSED, REFUSED]
    registry.open_bootstrap(**NAMED, ttl=None)
    assert answers(0, 5) == ["", ""]


def test_opened_again_for_a_while():
    registry.close_bootstrap(**NAMED, position=20)
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    assert answers(0, 19, 20) == ["", "", ""]
    expire()
    assert answers(0, 19, 20) == [REFUSED, REFUSED, ""]
    registry.close_bootstrap(**NAMED)
    assert answers(0, 19, 20) == [REFUSED, REFUSED, ""]
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    registry.close_bootstrap(**NAMED, position=15)
    assert answers(19, 20) == [REFUSED, ""], "it was further once, and never goes back"


def test_live_since_the_authority_was_empty():
    registry.close_bootstrap(**NAMED, position=0)
    assert answers(0, 1) == ["", ""], "catch up goes on from 0"
    registry.report_checkpoint(**NAMED, checkpoint=7)
    assert answers(0, 7) == [REFUSED, ""], "from now on, 0 is a bootstrap"
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    assert answers(0) == [""]
    expire()
    assert answers(0, 6, 7) == [REFUSED, REFUSED, ""]
    registry.close_bootstrap(**NAMED)
    assert answers(0, 6, 7) == [REFUSED, REFUSED, ""]


def found():
    return bootstrap_grants_are_closed(None, databases=["users", "billing"])


def test_the_check_is_silent_where_grants_are_as_they_should_be():
    assert found() == [], "registered, and not live yet"
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    assert found() == []
    registry.close_bootstrap(**NAMED, position=3)
    assert found() == []
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    assert found() == [], "it will end by itself today"


@pytest.mark.parametrize("ttl", [None, timedelta(days=2)])
def test_the_check_finds_what_is_open_for_long_although_the_consumer_is_live(ttl):
    registry.close_bootstrap(**NAMED, position=3)
    registry.open_bootstrap(**NAMED, ttl=ttl)
    (warning,) = found()
    assert warning.id == "messaging.W001"
    assert "billing is live already, and may bootstrap from users again" in warning.msg
    assert "consumers close billing --to users" in warning.hint
    registry.close_bootstrap(**NAMED)
    assert found() == []


def test_the_check_finds_what_ran_out():
    registry.open_bootstrap(**NAMED, ttl=HOUR)
    expire()
    (warning,) = found()
    assert "bootstrap grant of billing at users ran out" in warning.msg
    assert "consumers close billing --to users" in warning.hint
    assert bootstrap_grants_are_closed(None, databases=None) == []
    assert bootstrap_grants_are_closed(None, databases=["billing"]) == []
    registry.close_bootstrap(**NAMED)
    assert found() == []


def test_the_check_passes_over_a_register_that_is_not_up_to_date():
    """`migrate` runs it first, and must not fail for what it is about to mend."""
    connection, table = connections["users"], Consumer._meta.db_table
    field = Consumer._meta.get_field("reported_at")
    with connection.schema_editor() as editor:
        editor.remove_field(Consumer, field)
    try:
        assert found() == []
        assert connection.introspection.table_names().count(table) == 1
    finally:
        with connection.schema_editor() as editor:
            editor.add_field(Consumer, field)

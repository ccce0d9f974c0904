"""Bootstrap grants: who may read from the beginning, and the check that finds open ones."""

from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from messaging.models import Consumer
from messaging.operations.checks.consumers import bootstrap_grants_are_closed
from messaging.publisher import consumers, grants

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

HOUR = timedelta(hours=1)
REFUSED = "bootstrap_closed"


@pytest.fixture(autouse=True)
def consumer():
    consumers.register_consumer(authority="users", name="billing", types=["users.user.created.v1"], fields=["status"])


def entry():
    return Consumer.objects.using("users").get()


def open_for(ttl):
    consumers.open_bootstrap(authority="users", name="billing", ttl=ttl)


def close(position=None):
    consumers.close_bootstrap(authority="users", name="billing", position=position)


def answers(*positions):
    return [consumers.may_read(entry(), since) for since in positions]


def expire():
    Consumer.objects.using("users").update(bootstrap_closes_at=timezone.now())


def test_from_its_registration_to_its_success_a_consumer_reads_from_the_beginning():
    assert answers(0, 1, 10**9) == ["", "", ""]
    close(20)
    assert answers(0, 19, 20, 21) == [REFUSED, REFUSED, "", ""]
    assert grants.grant_in_words(entry()) == "closed, live from 20"


def test_a_consumer_that_never_was_live_reads_nothing_once_its_time_is_over():
    open_for(HOUR)
    assert answers(0, 5) == ["", ""]
    expire()
    assert answers(0, 5) == [REFUSED, REFUSED]
    close()
    assert answers(0, 5) == [REFUSED, REFUSED]
    assert grants.grant_in_words(entry()) == "closed, never live"
    close()  # twice has the effect of once
    assert answers(0, 5) == [REFUSED, REFUSED]
    open_for(None)
    assert answers(0, 5) == ["", ""]


def test_opened_again_for_a_while():
    close(20)
    open_for(HOUR)
    assert answers(0, 19, 20) == ["", "", ""]
    expire()
    assert answers(0, 19, 20) == [REFUSED, REFUSED, ""]
    close()
    assert answers(0, 19, 20) == [REFUSED, REFUSED, ""]
    open_for(HOUR)
    close(15)
    assert answers(19, 20) == [REFUSED, ""], "it was further once, and never goes back"


def test_live_since_the_authority_was_empty():
    close(0)
    assert answers(0, 1) == ["", ""], "catch up goes on from 0"
    consumers.report_checkpoint(authority="users", name="billing", checkpoint=7)
    assert answers(0, 7) == [REFUSED, ""], "from now on, 0 is a bootstrap"
    open_for(HOUR)
    assert answers(0) == [""]
    expire()
    assert answers(0, 6, 7) == [REFUSED, REFUSED, ""]
    close()
    assert answers(0, 6, 7) == [REFUSED, REFUSED, ""]


def found():
    return bootstrap_grants_are_closed(None, databases=["users", "billing"])


def test_the_check_is_silent_if_all_grants_are_right():
    assert found() == [], "registered, and not live yet"
    open_for(HOUR)
    assert found() == []
    close(3)
    assert found() == []
    open_for(HOUR)
    assert found() == [], "it will end by itself today"


@pytest.mark.parametrize("ttl", [None, timedelta(days=2)])
def test_the_check_finds_what_is_open_for_long_although_the_consumer_is_live(ttl):
    close(3)
    open_for(ttl)
    (warning,) = found()
    assert warning.id == "messaging.W001"
    assert "billing is live, but may bootstrap from users again" in warning.msg
    assert "consumers close billing --to users" in warning.hint
    close()
    assert found() == []


def test_the_check_finds_expired_grants():
    open_for(HOUR)
    expire()
    (warning,) = found()
    assert "The grant of billing from users expired" in warning.msg
    assert "consumers close billing --to users" in warning.hint
    assert bootstrap_grants_are_closed(None, databases=None) == []
    assert bootstrap_grants_are_closed(None, databases=["billing"]) == []
    close()
    assert found() == []


def test_the_check_passes_over_a_register_that_is_not_up_to_date():
    """`migrate` runs it first, and must not fail because of what it is about to repair."""
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

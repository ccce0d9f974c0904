"""A part whose packages aren't installed refuses in a sentence, and everything else works without them."""

import pytest
from django.db import connections
from django.test import Client, override_settings

from messaging import extras, http
from messaging.errors import MissingExtra, NoBroker
from messaging.operations import checks
from messaging.transport import broker
from tests import signing
from tests.without import without


def test_nothing_is_missing_here() -> None:
    missing = {extra for extra in extras.EXTRAS if extras.missing(extra)}
    assert missing == (set() if signing.INSTALLED else {"signing"})


@pytest.mark.parametrize("package", ["rest_framework", "drf_spectacular"])
def test_the_api_says_what_it_needs(package: str) -> None:
    name = {"rest_framework": "djangorestframework", "drf_spectacular": "drf-spectacular"}[package]
    sentence = f'The HTTP API needs {name}, which isn\'t installed: pip install "django-bounded-contexts[api]"'
    with without(package):
        for door in (http.urls, http.contracts_url):
            with pytest.raises(MissingExtra) as refused:
                door("users")
            assert str(refused.value) == sentence


def test_two_packages_are_named_in_one_sentence() -> None:
    with without("rest_framework"), without("drf_spectacular"):
        assert "needs djangorestframework and drf-spectacular, which aren't installed: pip" in extras.missing("api")


@pytest.mark.parametrize("url", ["redis://localhost:6379/3", "rediss://localhost:6379/3", "sentinel://localhost:26379"])
def test_a_broker_on_redis_says_what_it_needs(url: str) -> None:
    with override_settings(MESSAGING={"CONTEXTS": ["users"], "BROKER_URL": url}), without("redis"):
        with pytest.raises(NoBroker, match=r'needs redis, .* pip install "django-bounded-contexts\[redis\]"'):
            broker.url()
        assert [found.id for found in checks.broker.broker_is_set(None)] == ["messaging.W004"]


def test_another_broker_doesnt_need_redis() -> None:
    with override_settings(MESSAGING={"CONTEXTS": ["users"], "BROKER_URL": "amqp://localhost"}), without("redis"):
        assert broker.url() == "amqp://localhost"


@pytest.mark.django_db(databases="__all__")
def test_metrics_say_what_they_need_and_health_works() -> None:
    with without("prometheus_client"):
        answer = Client().get("/metrics")
        assert answer.status_code == 501
        assert answer.content == (
            b'# /metrics needs prometheus_client, which isn\'t installed: pip install "django-bounded-contexts[deploy]"\n'
        )
        assert Client().get("/healthz").status_code == 200
    assert b"messaging_outbox_pending" in Client().get("/metrics").content


@pytest.mark.django_db(databases="__all__")
def test_a_driver_that_messaging_cant_read_is_an_error() -> None:
    """Without psycopg, Django takes psycopg2, whose errors have no codes that messaging knows."""
    expected = ["messaging.E012"] if connections["users"].vendor == "postgresql" else []
    with without("psycopg"):
        found = checks.databases.drivers_are_there(None)
    assert [one.id for one in found] == expected
    assert all("needs psycopg 3, which isn't installed" in one.msg for one in found)
    assert checks.databases.drivers_are_there(None) == []

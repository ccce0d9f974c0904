"""Django's log of statements, which `DEBUG` enables."""

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

from users.models import User

pytestmark = pytest.mark.django_db(databases=["users"])


def test_statements_are_logged_only_where_a_caller_asks(settings):
    settings.DEBUG = True
    before = len(connections["users"].queries_log)
    User.objects.using("users").exists()
    assert len(connections["users"].queries_log) == before
    with CaptureQueriesContext(connections["users"]) as captured:
        User.objects.using("users").exists()
    assert len(captured) == 1


def test_django_itself_stays_as_it_is(settings):
    settings.DEBUG = True
    assert vars(BaseDatabaseWrapper)["queries_logged"].fget(connections["users"])

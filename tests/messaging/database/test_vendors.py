"""A database other than PostgreSQL and SQLite is refused by name, wherever it is first used."""

from types import SimpleNamespace

import pytest

from messaging.database import engines, expressions, guard, vendors


@pytest.mark.parametrize("chosen", [engines.for_alias, expressions.dialect, guard.for_alias])
def test_another_vendor_is_refused_by_name(chosen, monkeypatch):
    monkeypatch.setattr(vendors, "connections", {"users": SimpleNamespace(vendor="mysql")})
    with pytest.raises(NotImplementedError, match="mysql is not supported: messaging needs PostgreSQL or SQLite"):
        chosen("users")

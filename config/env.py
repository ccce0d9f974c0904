"""Readers of environment variables. Every variable has a default that needs no other software."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
# The folder of databases, logs and the embedded broker. A second copy of the project needs another `VAR_DIR`.
VAR = Path(os.environ.get("VAR_DIR") or ROOT / "var").absolute()

# Deferred transactions take the write lock at their first write and fail at once if another connection has it. Immediate ones
# wait for it. Measured with 30 s of writers: 26,416 "database is locked" against none.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def flag(name: str, default: bool) -> bool:
    """Read a variable with `1/true/yes/on` or `0/false/no/off`. Raises `ImproperlyConfigured` for other values."""
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={text!r} is not a switch. Use 1 or 0.")


def number(name: str, default: int) -> int:
    """Read a whole number of 0 or more. Raises `ImproperlyConfigured` for other values."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise ImproperlyConfigured(f"{name}={text!r} is not a whole number. Use 0 or a positive whole number, for example 100.")
    return int(text)


def database(variable: str, file_name: str) -> dict[str, Any]:
    """Return Django's settings for the database URL in `variable`, or for a SQLite file under `var/` if it is unset."""
    url = os.environ.get(variable)
    if not url:
        url = f"sqlite:///{quote(str(VAR / file_name))}"
    try:
        one, several = _hosts(url)
        settings: dict[str, Any] = {**dj_database_url.parse(one), **several}
    except Exception:
        # The URL may have a password, so the message doesn't repeat it.
        raise ImproperlyConfigured(
            f"{variable} is not a database URL. Use postgres://user:password@host:5432/name or sqlite:////absolute/path.sqlite3."
        ) from None
    engine = settings["ENGINE"]
    if engine == "django.db.backends.sqlite3":
        settings["OPTIONS"] = {**settings.get("OPTIONS", {}), **SQLITE_OPTIONS}
        # The test database must be a file, because worker processes open it too.
        settings["TEST"] = {"NAME": str(Path(settings["NAME"]).with_suffix(".test.sqlite3"))}
    elif engine != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            f"{variable}: {url.partition(':')[0]}:// is not supported. Use a postgres:// or a sqlite:// URL."
        )
    else:  # opening a connection costs more than most requests
        settings |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
        options = settings.setdefault("OPTIONS", {})
        if several:  # one of several servers takes writes, and a failover changes which one
            options.setdefault("target_session_attrs", "read-write")
        if str(options.pop("disable_server_side_cursors", "")).lower() in {"1", "true"}:  # behind a pooler, see docs/databases.md
            settings["DISABLE_SERVER_SIDE_CURSORS"] = True
    settings["ENGINE"] = engine.replace("django.db.backends", "config.database")
    return settings


def _hosts(url: str) -> tuple[str, dict[str, str]]:
    """Split a URL with several hosts (host:port,host:port), which Python can't parse: return it with the first host, and Django's
    settings for all hosts."""
    parts = urlsplit(url)
    login, at, places = parts.netloc.rpartition("@")
    if "," not in places:
        return url, {}
    found = [re.fullmatch(r"\[?([^\[\]]+?)\]?(?::(\d+))?", place) for place in places.split(",")]
    hosts, ports = zip(*((match[1], match[2] or "5432") for match in found if match), strict=True)
    if len(hosts) != len(found):
        raise ValueError("a host can't be read")
    first = parts._replace(netloc=f"{login}{at}{places.split(',')[0]}").geturl()
    return first, {"HOST": ",".join(hosts), "PORT": ",".join(ports)}

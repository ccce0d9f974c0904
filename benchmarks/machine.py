"""Describes the machine and software of a benchmark."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import psycopg

PACKAGES = ("Django", "celery", "kombu", "psycopg", "django-outbox-pattern", "django-celery-outbox", "stomp.py", "coilmq")
#: PostgreSQL's settings that determine the cost of a commit.
POSTGRES = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


def describe(postgres_url: str, broker_url: str) -> dict[str, Any]:
    with psycopg.connect(postgres_url) as connection:
        server = connection.info.parameter_status("server_version")
        settings = {name: _setting(connection, name) for name in POSTGRES}
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
        "versions": {
            "Python": platform.python_version(),
            "PostgreSQL": server,
            "broker": _broker(broker_url),
            **{name: _version(name) for name in PACKAGES},
        },
        "postgresql": {"whose": "BENCH_POSTGRES_URL" if os.environ.get("BENCH_POSTGRES_URL") else "the wheel", **settings},
    }


def commit() -> str:
    """Return the project's commit, with a + if files differ from it."""
    try:
        found = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def _setting(connection: Any, name: str) -> str:
    return str(connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _broker(url: str) -> str:
    if not url.startswith("redis"):
        return url.partition(":")[0]
    import redis

    plain = url.replace("redis+socket://", "unix://")
    with redis.Redis.from_url(plain) as client:
        found: Any = client.info("server")
    return f"Valkey {found['valkey_version']}" if "valkey_version" in found else f"Redis {found['redis_version']}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

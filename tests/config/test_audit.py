"""The audit of the installed packages fails if it finds a vulnerability. If no service answers, it says so and fails only if
required."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from typing import Any

from config.env import ROOT

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")


def audit(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.audit"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def unanswered(**environment: str) -> subprocess.CompletedProcess[str]:
    return audit(NO_PROXY="", no_proxy="", **dict.fromkeys(PROXIES, "http://127.0.0.1:9"), **environment)


@contextmanager
def osv(advisories: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A service with OSV's protocol that knows these vulnerabilities, by package. Yields its URL and its requests."""
    questions = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            questions.append(question)
            known = advisories.get(question["package"]["name"])
            body = json.dumps({"vulns": [known]} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Log nothing, because the requests are kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query", questions
        server.shutdown()


def advisory(package: str, fixed: str) -> dict[str, Any]:
    return {
        "id": "PYSEC-2099-1",
        "aliases": ["CVE-2099-1"],
        "summary": "made up",
        "affected": [
            {
                "package": {"name": package, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def test_a_known_vulnerability_of_an_installed_package_is_a_failure() -> None:
    with osv({"django": advisory("django", "99.1")}) as (url, questions):
        done = audit(AUDIT_OSV_URL=url, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"django {version('django')}: PYSEC-2099-1 (CVE-2099-1), mended in 99.1" in done.stdout
    assert f"1 known vulnerability in {len(questions)} packages" in done.stdout
    asked = {question["package"]["name"]: question["version"] for question in questions}
    runtime = ("django", "celery", "kombu", "redis", "djangorestframework", "django-outbox-pattern", "cryptography")
    assert {name: asked.get(name) for name in runtime} == {name: version(name) for name in runtime}


def test_without_a_known_vulnerability_it_passes() -> None:
    with osv({}) as (url, questions):
        done = audit(AUDIT_OSV_URL=url, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1", REQUIRE_AUDIT="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"0 known vulnerabilities in {len(questions)} packages" in done.stdout


def test_without_a_vulnerability_database_it_says_so_and_passes() -> None:
    done = unanswered()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No vulnerability database can be asked, so nothing was audited: " in done.stdout


def test_a_required_audit_without_an_answer_fails() -> None:
    done = unanswered(REQUIRE_AUDIT="1", AUDIT_OSV_URL="http://127.0.0.1:9/v1/query")  # one service to wait for
    assert done.returncode == 1
    assert "REQUIRE_AUDIT is set, so that is a failure." in done.stdout

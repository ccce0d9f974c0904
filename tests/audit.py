"""Checks the installed packages for known vulnerabilities: `python -m tests.audit`, which `make check` runs.

`pip-audit` asks PyPI. It asks OSV if PyPI doesn't answer or, like some mirrors, knows none of the packages. With `AUDIT_OSV_URL` it
asks only that OSV service. If no service answers, the audit prints that and passes, because a build must not depend on other
people's servers. With `REQUIRE_AUDIT=1` it fails then.
"""

import json
import os
import subprocess
import sys
from typing import Any

PATIENCE = 180.0


class Unanswered(Exception):
    """No service answered for any package; the text says why."""


def main() -> int:
    own = os.environ.get("AUDIT_OSV_URL")
    services = [("--vulnerability-service", "osv", "--osv-url", own)] if own else [(), ("--vulnerability-service", "osv")]
    reasons = []
    for service in services:
        try:
            return told(asked(*service))
        except Unanswered as error:
            reasons.append(str(error))
    print(f"No vulnerability database can be asked, so nothing was audited: {'; '.join(reasons)}")
    required = os.environ.get("REQUIRE_AUDIT", "") not in ("", "0")
    if required:
        print("REQUIRE_AUDIT is set, so that is a failure.")
    return 1 if required else 0


def asked(*service: str) -> list[dict[str, Any]]:
    """Return pip-audit's answer for each installed package."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run([*command, *service], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise Unanswered(f"no answer within {PATIENCE:.0f} s") from None
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise Unanswered(next(reversed(done.stderr.strip().splitlines()), "it printed nothing")[:300]) from None
    if all("skip_reason" in package for package in packages):
        raise Unanswered(f"it knows none of the {len(packages)} packages")
    return packages


def told(packages: list[dict[str, Any]]) -> int:
    """Print the result, and return the exit code."""
    known = [package for package in packages if "skip_reason" not in package]
    found = [(package, one) for package in known for one in package["vulns"]]
    for package, one in found:
        mended = ", ".join(one["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {one['id']} ({', '.join(one['aliases'])}), mended in {mended}")
    unknown = f"; {len(packages) - len(known)} aren't known to the database" if len(known) < len(packages) else ""
    print(f"{len(found)} known {'vulnerability' if len(found) == 1 else 'vulnerabilities'} in {len(known)} packages{unknown}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

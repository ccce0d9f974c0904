"""Are there known vulnerabilities in what is installed? `python -m tests.audit`, as `make check` does.

`pip-audit` asks PyPI, and OSV where PyPI doesn't answer or knows none of the packages, as a mirror of it may; with `AUDIT_OSV_URL`
only that, an OSV service of your own. Where none answers it says so and passes, for a build must not depend on somebody else's
server; with `REQUIRE_AUDIT=1` it fails then, for a build that is to prove something.
"""

import json
import os
import subprocess
import sys
from typing import Any

PATIENCE = 180.0


class Unanswered(Exception):
    """Nobody said anything of any package; why."""


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
    """What pip-audit says of each installed package."""
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
    """Print what was found; the exit code."""
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

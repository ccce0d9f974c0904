"""Are there known vulnerabilities in what is installed? `python -m tests.audit`, as `make check` does.

It asks the vulnerability database by `pip-audit`. Where that can't be reached it says so and passes, for a build must not depend on
somebody else's server; with `REQUIRE_AUDIT=1` it fails then, for a build that is to prove something.
"""

import json
import os
import subprocess
import sys
from typing import Any

PATIENCE = 180.0


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return unanswered(f"no answer within {PATIENCE:.0f} s")
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return unanswered(next(reversed(done.stderr.strip().splitlines()), "it printed nothing")[:300])
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        return unanswered(f"it knows none of the {len(packages)} packages")
    found = [(package, one) for package in asked for one in package["vulns"]]
    for package, one in found:
        mended = ", ".join(one["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {one['id']} ({', '.join(one['aliases'])}), mended in {mended}")
    unknown = f"; {len(packages) - len(asked)} aren't known to the database" if len(asked) < len(packages) else ""
    print(f"{len(found)} known vulnerabilities in {len(asked)} packages{unknown}.")
    return 1 if found else 0


def unanswered(why: str) -> int:
    required = os.environ.get("REQUIRE_AUDIT", "") not in ("", "0")
    print(f"The vulnerability database can't be asked, so nothing was audited: {why}")
    if required:
        print("REQUIRE_AUDIT is set, so that is a failure.")
    return 1 if required else 0


if __name__ == "__main__":
    sys.exit(main())

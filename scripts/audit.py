"""Look up the installed packages among the published advisories: part of `make check`.

Where the advisories cannot be reached, one line says so, and the check passes: what one works on must not depend on a
network. CI has one.
"""

import json
import subprocess
import sys

SECONDS = 60  # for all packages
SECONDS_EACH = 10


def main() -> None:
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", str(SECONDS_EACH), "--skip-editable"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *options], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(skipped(f"no answer within {SECONDS} s"))
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        sys.exit(skipped((done.stderr.strip().splitlines() or ["no answer"])[-1]))
    advisories = [
        f"{each['name']} {each['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for each in dependencies
        for found in each.get("vulns", ())
    ]
    print("\n".join(advisories) or f"No advisory is known for the {len(dependencies)} installed packages.")
    sys.exit(bool(advisories))


def skipped(reason: str) -> int:
    print(f"The advisories for the installed packages were not looked up: {reason[:200]}")
    return 0


if __name__ == "__main__":
    main()

"""Check the health of the web process on this machine: `python healthy.py [port] [path]`. Exit code 0: healthy.

For health checks of containers, which have no curl. `/healthz` says that the process answers, `/readyz` that its
dependencies do too. Like the proxy, it sends a host name in ALLOWED_HOSTS.
"""

import os
import sys
import urllib.request
from urllib.error import HTTPError


def main(port: str = "8000", path: str = "/healthz") -> None:
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host.replace("*", "localhost")})
    try:
        with urllib.request.urlopen(request, timeout=4) as answer:
            print(answer.status, answer.read(2000).decode(errors="replace"))
    except HTTPError as error:
        sys.exit(f"{error.code} {error.read(2000).decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"nothing answers on port {port}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])

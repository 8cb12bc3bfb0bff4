"""The browser that tests, benchmarks and screenshots look with: the machine's own Chromium."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

# The first is Chromium without the windows and menus that nobody sees here: it takes half the time of a processor.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
ARGUMENTS = [
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]


def launch(playwright: Playwright) -> Browser:
    assert CHROMIUM is not None, "There is no Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM."
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)

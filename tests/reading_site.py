"""The settings of a site with agent functions that have something to read, and with those that ask.

It is a public one with DEBUG=0 and a STATIC_ROOT to collect its static files in. Some of its addresses fail.
"""

import os

from chatsite.settings import *  # noqa: F403
from chatsite.settings import INSTALLED_APPS, STATIC_ROOT

ROOT_URLCONF = "tests.reading.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.asking", "tests.reading"]
STATIC_ROOT = os.environ.get("STATIC_ROOT", STATIC_ROOT)

"""The settings of the site under attack: the public site's, with its static files and agent functions of its own."""

import os

from chatsite.settings import *  # noqa: F403
from chatsite.settings import INSTALLED_APPS

STATIC_ROOT = os.environ["STATIC_ROOT"]
INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.soak"]

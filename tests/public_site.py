"""The settings of a public site (no DEBUG), with its collected static files in a folder of the test's."""

import os

from chatsite.settings import *  # noqa: F403

STATIC_ROOT = os.environ["STATIC_ROOT"]

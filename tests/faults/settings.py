"""The site's settings, with the agent functions of these tests."""

from chatsite.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.app"]  # noqa: F405

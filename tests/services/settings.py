"""The settings of a cluster under test: agent functions whose effects can be counted, and some that ask users."""

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.asking"]

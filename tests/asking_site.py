"""The settings of a site with agent functions that ask: an approval, a form, a password."""

from chatsite.settings import *  # noqa: F403
from chatsite.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.asking"]

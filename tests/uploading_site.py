"""The settings of a site with an agent function that takes files."""

from chatsite.settings import *  # noqa: F403
from chatsite.settings import AGENTCHAT, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.uploading"]
AGENTCHAT = {**AGENTCHAT, "GUESTS": True, "GUEST_MB_PER_DAY": None}
DEBUG = False  # Django would keep each query in memory; all else stays as it is for tests
ALLOWED_HOSTS = ["127.0.0.1"]

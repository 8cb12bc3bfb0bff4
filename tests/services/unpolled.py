"""The settings of sites that look for nothing by themselves while they hear one another, and the app that sees to it.

What arrives from the other one has been told by it, or was looked up because the other one could not be heard: no clock
is needed to say so.
"""

import os

from django.apps import AppConfig

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.services.unpolled.Unpolled"]


class Unpolled(AppConfig):
    name = "tests.services.unpolled"

    def ready(self) -> None:
        from agentchat.runs import layer, runner

        runner.POLL_S = 120.0  # longer than a test; a process that begins, or hears again, still looks at once
        layer.TIMEOUT_S = float(os.environ.get("LAYER_TIMEOUT_S", layer.TIMEOUT_S))

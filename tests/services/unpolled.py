"""The settings of sites that do not poll while they are connected to one another, and the app that ensures it.

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
        from agentchat.infra import channel_layer
        from agentchat.runs import supervisor

        supervisor.POLL_SECONDS = 120.0  # longer than a test; a process that starts, or reconnects, polls at once
        channel_layer.TIMEOUT_SECONDS = float(os.environ.get("LAYER_TIMEOUT_S", channel_layer.TIMEOUT_SECONDS))

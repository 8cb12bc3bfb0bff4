"""The system check of the APIs for programs; and that without one, nothing of them is there."""

import os
import subprocess
import sys

from agentchat.checks.programs import check_programs


def synchronous(get_response):
    return get_response


def test_middleware_that_holds_threads_is_named(settings):
    settings.AGENTCHAT = {"APIS": ["openai"]}
    assert check_programs() == []
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.synchronous"]
    sys.modules.setdefault(__name__, sys.modules[synchronous.__module__])
    [warning] = check_programs()
    assert (warning.id, f"{__name__}.synchronous" in warning.msg) == ("agentchat.W019", True)
    settings.AGENTCHAT = {}
    assert check_programs() == []


LOOK = """
import django
django.setup()
from django.urls import get_resolver
import sys
paths = str(get_resolver().url_patterns[-1].url_patterns)
print("/v1" in paths or "v1/" in paths, "chat/keys/" in paths)
print([name for name in sys.modules if name.startswith("agentchat.programs") or name == "openai"])
"""


def test_without_an_api_nothing_of_it_is_imported_and_it_has_no_address():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTCHAT_")}
    environment |= {"DJANGO_SETTINGS_MODULE": "chatsite.settings", "DEBUG": "1"}

    def look(**more):
        done = subprocess.run(
            [sys.executable, "-c", LOOK], env=environment | more, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()[-2:]

    assert look() == ["False False", "[]"]
    paths, modules = look(AGENTCHAT_APIS="openai")
    assert paths == "True True"
    assert "agentchat.programs.openai_api.views" in modules

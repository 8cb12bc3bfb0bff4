"""System checks of the APIs for programs."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.utils.module_loading import import_string

from agentchat import conf
from agentchat.errors import ConfigError


@register(Tags.compatibility)
def check_programs(**kwargs: Any) -> list[CheckMessage]:
    """W019: middleware that keeps a thread for each request of a program that waits."""
    try:
        if not conf.app.apis:
            return []
    except ConfigError:
        return []  # another check says so
    return [
        Warning(
            f"{path!r} in MIDDLEWARE is synchronous: with it, each request to an API that waits holds a thread",
            hint="Make it a middleware that is async_capable, too: docs.djangoproject.com has “Asynchronous support” "
            "of middleware.",
            id="agentchat.W019",
        )
        for path in settings.MIDDLEWARE
        if _is_synchronous(path)
    ]


def _is_synchronous(path: str) -> bool:
    try:
        return not getattr(import_string(path), "async_capable", False)
    except ImportError:
        return False  # Django says so when it starts

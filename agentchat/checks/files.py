"""System checks of where files of chats are kept."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from agentchat.files import storage


@register(Tags.files)
def check_files(**kwargs: Any) -> list[CheckMessage]:
    """E018: a folder that the site serves to everybody."""
    where = storage.storage()
    if not storage.is_served(where):
        return []
    return [
        Error(
            f"files of chats are kept in {where.path('')}, which is within MEDIA_ROOT or STATIC_ROOT: a web server "
            "serves them to everybody",
            hint='Give STORAGES["agentchat"] a location of its own: only agentchat\'s pages serve its files.',
            id="agentchat.E018",
        )
    ]

"""What happens with files in a chat: see `agentchat.events`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.events import ChatEvent, Visibility


@dataclass(frozen=True, kw_only=True)
class FileSent(ChatEvent):
    """Files from `name`, an agent: references, each with an `id`, a `name`, a `contentType` and a `size`, never bytes.

    A `title` says what is in it. `visible` is that of the tool that has returned them: without one, users see them.
    """

    type = "FILE_SENT"
    files: Sequence[Mapping[str, Any]]
    name: str
    visible: Visibility | None = None

"""Files that an agent has sent, as an item of a transcript."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentchat.core.file_references import FileReference, references_in
from agentchat.presentation.items import NamedItem


@dataclass(kw_only=True, eq=False)
class SentFiles(NamedItem):
    """Files from an agent. `visible` is that of the tool that has returned them: without one, users see them."""

    kind = "sent_files"
    files: list[FileReference] = field(default_factory=list)
    visible: str | None = None

    @classmethod
    def of_event(cls, payload: Mapping[str, Any]) -> "SentFiles":
        return cls(name=payload["name"], files=references_in(payload["files"]), visible=payload.get("visible"))

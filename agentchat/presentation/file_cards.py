"""Files in a transcript: a thumbnail or a card for each, and lines in an export.

What a page may show is decided by the events that it shows: a file is served with a page if one of them names it.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.template.defaultfilters import filesizeformat

from agentchat import conf
from agentchat.core.file_references import FileReference, references_in
from agentchat.core.registry import AgentFunction
from agentchat.files import content_types, rules
from agentchat.models import Event, StoredFile
from agentchat.presentation.plain_markdown import inline
from agentchat.visitors import Visitor

SHOWN = ("image", "pdf", "text", "audio", "video")


def kind_of(content_type: str) -> str:
    """How a page opens a file of this type: one of SHOWN, or "" for what can only be saved."""
    if content_type in content_types.IMAGES:
        return "image"
    if content_type == "application/pdf":
        return "pdf"
    if content_type in PLAYED:
        return content_type.partition("/")[0]
    return "text" if content_types.is_textual(content_type) else ""


PLAYED = (
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "video/mp4",
    "video/webm",
)


def is_named_by(events: QuerySet[Event], file_id: str, *, shows_details: bool) -> bool:
    """Whether one of these events names the file, for a reader who may see it. (Those of agents may be for staff.)"""
    # By the text of the JSON: one row that is no JSON must not make it fail.
    naming = events.annotate(json=Cast("payload", TextField())).filter(json__contains=file_id)
    return any(_names(payload, file_id, shows_details) for payload in naming.values_list("payload", flat=True))


def _names(payload: Any, file_id: str, shows_details: bool) -> bool:
    if not isinstance(payload, dict) or not (shows_details or payload.get("visible") in (None, "all")):
        return False
    return any(each["id"] == file_id for each in references_in(payload.get("files")))


def files_as_markdown(files: Iterable[FileReference]) -> str:
    """A list of their names, with what tells whether a copy is the same. The files themselves are on the page."""
    lines = (f"- {inline(each['name'])} ({_size(each)}, SHA-256 {inline(each['sha256'])})" for each in files)
    return "\n".join(lines)


def unsent_files(visitor: Visitor) -> list[dict[str, Any]]:
    """What is stored of files that the visitor has not sent."""
    files = StoredFile.objects.of(visitor).filter(session=None, origin=StoredFile.Origin.USER).order_by("created_at")
    return [
        {"id": str(file.pk), "name": file.name, "size": file.size, "at": file.created_at.isoformat(timespec="seconds")}
        for file in files
    ]


def _size(reference: FileReference) -> str:
    return filesizeformat(reference["size"]).replace("\xa0", " ")


def uploads_of(agent: AgentFunction | None) -> dict[str, Any] | None:
    """What a page needs to know of the files that an agent takes; None if it takes none."""
    if agent is None or not agent.uploads:
        return None
    return {
        "agent": agent.name,
        "accept": ",".join(agent.uploads.patterns),
        "max_bytes": rules.max_bytes_of(agent.uploads),
        "max_files": conf.app.max_message_files,
    }

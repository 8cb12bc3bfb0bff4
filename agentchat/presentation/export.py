"""A chat session as a file: Markdown to read, JSON to process.

The Markdown has what the transcript of the branch shown has. Every text is in it verbatim, within a block quote or a
fence that it cannot break out of: no message can pass for another's. The JSON has every event of all branches, in wire
format. Both are generated in chunks, so that a long chat is never in memory as a whole. The caller checks permissions.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from agentchat.core.file_references import text_of_message
from agentchat.core.indented_json import indented
from agentchat.core.stored_events import log_failure
from agentchat.events import ReasoningMessageEnd
from agentchat.infra import moments
from agentchat.markup.markdown import without_end_signal
from agentchat.markup.thoughts import split_thoughts, without_thoughts
from agentchat.models import ChatSession
from agentchat.presentation import transcript
from agentchat.presentation.file_cards import files_as_markdown, unsent_files
from agentchat.presentation.file_items import SentFiles
from agentchat.presentation.handover_notes import handover_text
from agentchat.presentation.items import (
    HandoverNote,
    Item,
    Message,
    NestedChats,
    PrintedText,
    RunFailed,
    RunStopped,
    SourceList,
    SummaryNote,
    ToolCall,
    UnreadablePart,
)
from agentchat.presentation.plain_markdown import fenced, inline, quoted
from agentchat.presentation.requests import InputRequest
from agentchat.presentation.sources import Source, as_markdown
from agentchat.presentation.visibility import item_for_users
from agentchat.realtime.excerpt import excerpts_in_pages, whole
from agentchat.realtime.frames import Frame, trimmed, whole_frames_after
from agentchat.runs.branching.tree import events_of
from agentchat.visitors import Visitor, name_of

CHAT_BATCH_SIZE = 100  # read from the database at once


def to_json(session: ChatSession) -> str:
    """The chat session and all its events, of all branches, in order."""
    return "".join(json_of(session))


def json_of(
    session: ChatSession, *, shows_usage: bool = True, shows_details: bool = True, with_thoughts: bool = False
) -> Iterator[str]:
    """`to_json` in chunks. Not all users may see everything: `frames.trimmed`."""
    events = _events(session, shows_usage=shows_usage, shows_details=shows_details, with_thoughts=with_thoughts)
    yield from _document(_details(session), "events", events)
    yield "\n"


def data_of(visitor: Visitor) -> Iterator[str]:
    """All data stored for the visitor, as JSON in chunks: all their chats, deleted ones too.

    Without the journals of runs: the results of their steps are in the events.
    """
    head: dict[str, object] = {
        "account": visitor.user.get_username() if visitor.user else None,
        "exportedAt": _moment(moments.now()),
    }
    head["unsentFiles"] = unsent_files(visitor)
    may_see = {"shows_usage": visitor.may_see_usage, "shows_details": visitor.may_see_details}
    yield from _document(
        head,
        "chats",
        (_Chunks(_chat(chat, **may_see)) for chat in _chats_of(visitor)),
    )
    yield "\n"


def _chats_of(visitor: Visitor) -> Iterator[ChatSession]:
    """All of them, the oldest first.

    No database cursor stays open between them: chunks are generated in different threads, with different connections.
    """
    chats = ChatSession.objects.all_of(visitor).select_related("owner", "head").order_by("created_at", "pk")
    page = list(chats[:CHAT_BATCH_SIZE])
    while page:
        yield from page
        last = page[-1]
        later = Q(created_at__gt=last.created_at) | Q(pk__gt=last.pk)
        page = list(chats.filter(later, created_at__gte=last.created_at)[:CHAT_BATCH_SIZE])


def _chat(session: ChatSession, *, shows_usage: bool, shows_details: bool) -> Iterator[str]:
    shares = [{"createdAt": _moment(share.created_at), "lastSeq": share.last_seq} for share in session.shares.all()]
    deleted = _moment(session.deleted_at) if session.deleted_at else None
    details = {**_details(session), "deletedAt": deleted, "sharedLinks": shares, "waiting": [*_waiting(session)]}
    details |= {"signals": [*_signals(session)], "outbox": [*_outbox(session)]}
    events = _events(session, shows_usage=shows_usage, shows_details=shows_details, with_thoughts=True)
    return _document(details, "events", events)


def _waiting(session: ChatSession) -> Iterator[dict[str, Any]]:
    """The messages that no run has taken yet. (Answers to questions are in the events; passwords nowhere.)"""
    for item in session.inbox.filter(run=None, request_id="").order_by("pk"):
        said = text_of_message(item.value)
        text = said if isinstance(said, str) else repr(said)
        yield {"messageId": str(item.client_id), "text": text, "at": _moment(item.created_at)}


def _signals(session: ChatSession) -> Iterator[dict[str, Any]]:
    """What the site's own code has sent to this chat, for its agent function."""
    for each in session.signals.order_by("pk"):
        yield {"name": each.name, "value": each.value, "at": _moment(each.created_at)}


def _outbox(session: ChatSession) -> Iterator[dict[str, Any]]:
    """What is not delivered yet of what the site's own code has for this chat; of a notice to colleagues no more."""
    for item in session.outbox.order_by("pk"):
        told = {} if item.kind == item.Kind.NOTICE else {"name": item.name, "value": item.value}
        yield {"kind": item.kind, **told, "at": _moment(item.created_at)}


def _details(session: ChatSession) -> dict[str, object]:
    return {
        "id": str(session.pk),
        "agent": session.agent,
        "title": session.title,
        "owner": session.owner.get_username() if session.owner else None,
        "createdAt": _moment(session.created_at),
        "updatedAt": _moment(session.updated_at),
        "head": session.head.number if session.head else None,
        "runs": [*_runs(session)],
        "feedback": [*_feedback(session)],
    }


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


class _Chunks:
    """A part of a document that is generated in chunks itself."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self.chunks = chunks


def _document(head: dict[str, object], name: str, rest: Iterable[object]) -> Iterator[str]:
    """A JSON object: the fields of `head`, and the list of the rest under `name`."""
    yield json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}") + f',\n  "{name}": ['
    end = "]"
    for number, each in enumerate(rest):
        yield ",\n    " if number else "\n    "
        chunks = each.chunks if isinstance(each, _Chunks) else [indented(each)]
        for chunk in chunks:
            yield chunk.replace("\n", "\n    ")  # JSON's own lines end with this one alone
        end = "\n  ]"
    yield end + "\n}"


def _runs(session: ChatSession) -> Iterator[dict[str, Any]]:
    """The tree of branches: a run follows its parent, or forks from it before the event `fromSeq`."""
    for run in session.runs.select_related("parent").order_by("number"):
        parent = run.parent.number if run.parent else None
        yield {"run": run.number, "status": run.status, "parent": parent, "fromSeq": run.from_seq}


def _feedback(session: ChatSession) -> Iterator[dict[str, Any]]:
    for each in session.feedback.order_by("created_at"):
        at = _moment(each.updated_at)
        yield {"messageId": each.message_id, "value": each.value, "comment": each.comment, "at": at}


def _events(session: ChatSession, *, shows_usage: bool, shows_details: bool, with_thoughts: bool) -> Iterator[Frame]:
    before, last = -1, 0
    while last > before:
        before = last
        for frame in whole_frames_after(session.pk, last):
            shown = trimmed(frame, shows_usage=shows_usage, shows_details=shows_details)
            yield shown if with_thoughts else _without_thoughts(shown)
            last = frame["seq"]


def _without_thoughts(frame: Frame) -> Frame:
    """The frame without what a model thought: only that it did, and for how long."""
    if frame["type"] != ReasoningMessageEnd.type:
        return frame
    return {key: value for key, value in frame.items() if key != "content"}


# --- Markdown -------------------------------------------------------------------------------------------------------


def to_markdown(session: ChatSession) -> str:
    """The transcript of the branch shown, one block for each item."""
    return "".join(markdown_of(session))


def markdown_of(session: ChatSession, *, shows_details: bool = True, with_thoughts: bool = False) -> Iterator[str]:
    """`to_markdown` in chunks. Not all users may see everything: `visibility.py`."""
    yield _head(session)
    items = transcript.items_of(map(whole, excerpts_in_pages(events_of(session))))
    for item in items if shows_details else filter(None, map(item_for_users, items)):
        if not with_thoughts and not _has_more_than_thoughts(item):
            continue
        for block in _readable_blocks(item):
            yield f"\n\n{block}"
    yield "\n"


def _has_more_than_thoughts(item: Item) -> bool:
    """Remove the thoughts of an item. Return whether anything is left of it."""
    match item:
        case Message(is_from_user=False):
            item.thoughts, item.thought_ms, item.content = "", None, without_thoughts(item.content)
            return not item.is_blank
        case NestedChats():
            item.items = list(filter(_has_more_than_thoughts, item.items))
    return True


def _head(session: ChatSession) -> str:
    details = {
        _("Agent"): session.agent,
        _("Owner"): name_of(session.owner) if session.owner else _("guest"),
        _("Started"): _time(session.created_at),
        _("Last updated"): _time(session.updated_at),
        _("Chat"): str(session.pk),
    }
    lines = (f"- {name}: {inline(value)}" for name, value in details.items())
    return f"# {inline(session.title or session.agent)}\n\n" + "\n".join(lines)


def _readable_blocks(item: Item) -> list[str]:
    """The item's blocks, or a note that it cannot be shown."""
    try:
        return list(_blocks(item))
    except Exception as error:  # what is stored may be anything
        log_failure(f"item {item.key} ({item.at})", error)
        return list(_blocks(UnreadablePart(seq=item.seq)))


def _blocks(item: Item) -> Iterator[str]:
    match item:
        case UnreadablePart():
            yield _aside(_("This part of the chat can't be shown.") + f" #{item.seq}")
        case Message():
            yield from _message(item)
        case SourceList():
            yield from _sources(item.sources)
        case SummaryNote():
            yield _folded(item.text, item.heading)
        case ToolCall():
            yield from _tool_call(item)
        case SentFiles():
            yield _heading(item.name, item)
            yield _("Files") + ":"
            yield files_as_markdown(item.files)
        case PrintedText():
            yield fenced(item.text)
        case InputRequest():
            yield from _request(item)
        case RunFailed():
            yield _heading(_("The run failed"), item)
            yield quoted(f"{item.message}\n\n{item.code}, {item.id}")
        case RunStopped():
            yield _heading(_("The run was stopped"), item)
        case NestedChats():
            yield from _nested_chats(item)
        case HandoverNote():
            yield _aside(handover_text(item))


def _nested_chats(nested: NestedChats) -> Iterator[str]:
    yield _heading(_("Nested chats of %(name)s") % {"name": nested.name}, nested)
    for item in nested.items:
        yield from _readable_blocks(item)
    if nested.finished:
        yield _aside(_("End of the nested chats of %(name)s.") % {"name": nested.name})


def _message(message: Message) -> Iterator[str]:
    yield _heading(message.name, message)
    if message.is_from_staff:
        yield _aside(_("Staff"))
    content = message.content
    thoughts, text = ("", content) if message.is_typed else split_thoughts(without_end_signal(content))
    if message.thoughts:
        yield _folded(message.thoughts, message.thought_for)
    if thoughts:
        yield _folded(thoughts, _("Thoughts"))
    if text:
        yield quoted(text)
    if message.files:
        yield _("Files") + ":"
        yield files_as_markdown(message.files)
    if message.sources:
        yield from _sources(message.sources)
    if message.writing:
        yield _aside(_("Still writing."))
    elif message.stopped:
        yield _aside(_("Stopped here."))
    elif message.cut_off == "length":
        yield _aside(_("The answer was cut off."))
    elif message.cut_off == "content_filter":
        yield _aside(_("The model provider's content filter ended this answer."))


def _sources(sources: list[Source]) -> Iterator[str]:
    yield _("Sources") + ":"
    yield as_markdown(sources)


def _folded(text: str, heading: str) -> str:
    return quoted(f"<details><summary>{heading}</summary>\n\n{text}\n\n</details>")


def _tool_call(call: ToolCall) -> Iterator[str]:
    yield _heading(_("%(agent)s calls %(tool)s") % {"agent": call.agent, "tool": call.tool}, call)
    if call.args:
        yield fenced(call.shown_args, "json")
    if call.is_name_only:
        return
    if call.state in ("done", "failed"):
        text = _("Result, after %(seconds).1f s:") if call.state == "done" else _("Error, after %(seconds).1f s:")
        yield text % {"seconds": call.seconds or 0}
        yield fenced(call.result)
    else:
        yield _aside(_("No result."))


def _request(request: InputRequest) -> Iterator[str]:
    is_message = request.asks == "text" and not request.colleague
    if not is_message or request.prompt.strip():
        yield _heading(_question(request), request)
    if request.prompt.strip():
        yield quoted(request.prompt)
    if not is_message or request.is_open or request.password:  # otherwise the user's message answers it
        yield _aside(_outcome(request))
    if request.answer:
        yield "\n".join(f"- {inline(label)}: {inline(text)}" for label, text in request.answer)
    if request.reason:
        yield quoted(request.reason)


def _question(request: InputRequest) -> str:
    if request.colleague and not request.call:
        return _("A colleague decides about this")
    match request.asks:
        case "approval":
            return _("Approve the call to %(tool)s?") % {"tool": request.tool}
        case "unsure":
            return _("%(tool)s may already have run. Run it again?") % {"tool": request.tool}
        case "limit":
            return _("Continue?")
        case _:
            return _("Question")


def _outcome(request: InputRequest) -> str:
    match request.state:
        case "open":
            return _("Waiting for an answer.")
        case "approved":
            return _("%(name)s approved this.") % {"name": request.by}
        case "changed":
            return _("%(name)s approved this with changes.") % {"name": request.by}
        case "rejected":
            return _("%(name)s rejected this.") % {"name": request.by}
        case "answered":
            return _("%(name)s answered.") % {"name": request.by}
        case "expired":
            return _("No one answered in time.")
        case "closed":
            return _("No one answered.")


def _aside(text: str) -> str:
    return f"*{inline(text)}*"


def _heading(text: str, item: Item) -> str:
    return f"## {inline(text)} · {_time(item.at)}"


def _time(at: datetime | None) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z") if at else ""

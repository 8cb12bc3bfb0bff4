"""A chat session as a file: Markdown to read, JSON to go on with.

The Markdown has what the transcript shows. Whatever anybody said stands in it as it was written, within a block quote
or a fence that it cannot leave: no words pass for another's. It is the branch that people look at; the JSON has every
event of all branches, in the shape that it has on the wire. Both come in pieces, so that a long chat need not be in
memory as a whole. Who may have it is the caller's affair.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from agentchat import transcript
from agentchat.models import ChatSession, Event
from agentchat.rendering import without_end_signal
from agentchat.runs.branches import events_of
from agentchat.runs.frames import PAGE, Frame, frames_after, without_usage
from agentchat.transcript import Ended, Error, Item, Message, NestedChats, Printed, Request, ToolCall
from agentchat.visitors import Visitor

CHATS = 100  # read from the database at once

_LINE_END = re.compile(r"\r\n?|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal that shows the file obeys these
_INLINE = re.compile(r"[\\`*_\[\]<>&#~|!]")


def to_json(session: ChatSession) -> str:
    """The chat session and all its events, of all branches, in order."""
    return "".join(json_of(session))


def json_of(session: ChatSession, *, shows_usage: bool = True) -> Iterator[str]:
    """`to_json`, piece by piece. Not everybody may see what the models used: `Visitor.may_see_usage`."""
    yield from _document(_facts(session), "events", _events(session, shows_usage=shows_usage))
    yield "\n"


def data_of(visitor: Visitor) -> Iterator[str]:
    """What is kept of the visitor, as JSON, piece by piece: all their chats, deleted ones too.

    Without the journals of runs: what came of their steps stands in the events.
    """
    head = {"account": visitor.user.get_username() if visitor.user else None, "exportedAt": _moment(timezone.now())}
    yield from _document(
        head,
        "chats",
        (_Pieces(_whole_chat(chat, shows_usage=visitor.may_see_usage)) for chat in _chats_of(visitor)),
    )
    yield "\n"


def _chats_of(visitor: Visitor) -> Iterator[ChatSession]:
    """All of them, the oldest first.

    No cursor stays open from one to the next: pieces are made in different threads, with different connections.
    """
    chats = ChatSession.objects.all_of(visitor).select_related("owner", "head").order_by("created_at", "pk")
    page = list(chats[:CHATS])
    while page:
        yield from page
        last = page[-1]
        later = Q(created_at__gt=last.created_at) | Q(pk__gt=last.pk)
        page = list(chats.filter(later, created_at__gte=last.created_at)[:CHATS])


def _whole_chat(session: ChatSession, *, shows_usage: bool) -> Iterator[str]:
    shares = [{"createdAt": _moment(share.created_at), "lastSeq": share.last_seq} for share in session.shares.all()]
    deleted = _moment(session.deleted_at) if session.deleted_at else None
    facts = {**_facts(session), "deletedAt": deleted, "sharedLinks": shares, "waiting": [*_waiting(session)]}
    return _document(facts, "events", _events(session, shows_usage=shows_usage))


def _waiting(session: ChatSession) -> Iterator[dict[str, Any]]:
    """The messages that no run has taken yet. (Answers to questions stand in the events; passwords nowhere.)"""
    for item in session.inbox.filter(run=None, request_id="").order_by("pk"):
        yield {"messageId": str(item.client_id), "text": item.value, "at": _moment(item.created_at)}


def _facts(session: ChatSession) -> dict[str, object]:
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


class _Pieces:
    """A part of a document that is a document in pieces itself."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.pieces = pieces


def _document(head: dict[str, object], name: str, rest: Iterable[object]) -> Iterator[str]:
    """A JSON object: what is in `head`, and under `name` the list of the rest."""
    yield json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}") + f',\n  "{name}": ['
    end = "]"
    for number, each in enumerate(rest):
        yield ",\n    " if number else "\n    "
        pieces = each.pieces if isinstance(each, _Pieces) else [json.dumps(each, indent=2, ensure_ascii=False)]
        for piece in pieces:
            yield piece.replace("\n", "\n    ")  # of all that ends a line in Unicode, JSON's own lines end with this
        end = "\n  ]"
    yield end + "\n}"


def _runs(session: ChatSession) -> Iterator[dict[str, Any]]:
    """How the branches hang together: a run follows its parent, or parts from it before the event `fromSeq`."""
    for run in session.runs.select_related("parent").order_by("number"):
        parent = run.parent.number if run.parent else None
        yield {"run": run.number, "status": run.status, "parent": parent, "fromSeq": run.from_seq}


def _feedback(session: ChatSession) -> Iterator[dict[str, Any]]:
    for each in session.feedback.order_by("created_at"):
        at = _moment(each.updated_at)
        yield {"messageId": each.message_id, "value": each.value, "comment": each.comment, "at": at}


def _events(session: ChatSession, *, shows_usage: bool) -> Iterator[Frame]:
    last = 0
    while frames := frames_after(session.pk, last):
        for frame in frames:
            frame.pop("html", None)  # made of `content` on delivery: not a part of what happened
            yield frame if shows_usage else without_usage(frame)
        last = frames[-1]["seq"]


# --- Markdown -------------------------------------------------------------------------------------------------------


def to_markdown(session: ChatSession) -> str:
    """The transcript of the branch that people look at, one block for each item."""
    return "".join(markdown_of(session))


def markdown_of(session: ChatSession) -> Iterator[str]:
    """`to_markdown`, piece by piece."""
    yield _head(session)
    for item in transcript.items_of(_rows(session)):
        for block in _blocks(item):
            yield f"\n\n{block}"
    yield "\n"


def _rows(session: ChatSession) -> Iterator[Event]:
    events, last = events_of(session), 0
    while rows := list(events.filter(seq__gt=last)[:PAGE]):
        yield from rows
        last = rows[-1].seq


def _head(session: ChatSession) -> str:
    owner = session.owner.get_username() if session.owner else _("guest")
    facts = {
        _("Agent"): session.agent,
        _("Owner"): owner,
        _("Started"): _time(session.created_at),
        _("Last change"): _time(session.updated_at),
        _("Chat"): str(session.pk),
    }
    lines = (f"- {name}: {_inline(value)}" for name, value in facts.items())
    return f"# {_inline(session.title or session.agent)}\n\n" + "\n".join(lines)


def _blocks(item: Item) -> Iterator[str]:
    match item:
        case Message():
            yield from _message(item)
        case ToolCall():
            yield from _tool_call(item)
        case Printed():
            yield _fenced(item.text)
        case Request():
            yield from _request(item)
        case Error():
            yield _heading(_("The run failed"), item)
            yield _quoted(f"{item.message}\n\n{item.code}, {item.id}")
        case Ended():
            yield _heading(_("The run was stopped"), item)
        case NestedChats():
            yield from _nested_chats(item)


def _nested_chats(nested: NestedChats) -> Iterator[str]:
    yield _heading(_("Nested chats of %(name)s") % {"name": nested.name}, nested)
    for item in nested.items:
        yield from _blocks(item)
    if nested.finished:
        yield f"*{_inline(_('The nested chats of %(name)s end here.') % {'name': nested.name})}*"


def _message(message: Message) -> Iterator[str]:
    yield _heading(message.name, message)
    words = message.content if message.is_the_persons else without_end_signal(message.content)
    if words:
        yield _quoted(words)
    if message.writing:
        yield f"*{_('Still being written.')}*"
    elif message.stopped:
        yield f"*{_('Stopped here.')}*"


def _tool_call(call: ToolCall) -> Iterator[str]:
    yield _heading(_("%(agent)s calls %(tool)s") % {"agent": call.agent, "tool": call.tool}, call)
    if call.args:
        yield _fenced(call.args, "json")
    if call.state in ("done", "failed"):
        words = _("Result, after %(seconds).1f s:") if call.state == "done" else _("Error, after %(seconds).1f s:")
        yield words % {"seconds": call.seconds or 0}
        yield _fenced(call.result)
    else:
        yield f"*{_('Without a result.')}*"


def _request(request: Request) -> Iterator[str]:
    if request.asks != "text" or request.prompt.strip():
        yield _heading(_question(request), request)
    if request.prompt.strip():
        yield _quoted(request.prompt)
    if request.asks != "text" or request.is_open or request.password:  # else the person's message says it
        yield f"*{_inline(_outcome(request))}*"
    if request.answer:
        yield "\n".join(f"- {_inline(label)}: {_inline(text)}" for label, text in request.answer)
    if request.reason:
        yield _quoted(request.reason)


def _question(request: Request) -> str:
    match request.asks:
        case "approval":
            return _("May %(tool)s be called?") % {"tool": request.tool}
        case "unsure":
            return _("Was %(tool)s called, and shall it be called again?") % {"tool": request.tool}
        case "limit":
            return _("May it go on?")
        case _:
            return _("Question")


def _outcome(request: Request) -> str:
    match request.state:
        case "open":
            return _("Waiting for an answer.")
        case "approved":
            return _("%(name)s approved this.") % {"name": request.by}
        case "changed":
            return _("%(name)s approved this, with other arguments.") % {"name": request.by}
        case "rejected":
            return _("%(name)s rejected this.") % {"name": request.by}
        case "answered":
            return _("%(name)s answered.") % {"name": request.by}
        case "expired":
            return _("Nobody answered in time.")
        case "closed":
            return _("Nobody answered.")


def _heading(words: str, item: Item) -> str:
    return f"## {_inline(words)} · {_time(item.at)}"


def _time(at: datetime | None) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z") if at else ""


def _inline(text: str) -> str:
    """One line of plain text: what Markdown would read something into is escaped."""
    return _INLINE.sub(r"\\\g<0>", " ".join(_CONTROL.sub(" ", text).split()))


def _quoted(text: str) -> str:
    return "\n".join(f"> {_CONTROL.sub('', line)}".rstrip() for line in _LINE_END.split(text.strip("\r\n")))


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    lines = _CONTROL.sub("", _LINE_END.sub("\n", text)).strip("\n")
    return f"{fence}{language}\n{lines}\n{fence}"

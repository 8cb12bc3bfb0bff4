"""The inbox: the questions of all chats that this user may answer, and the answers that they give.

Works without JavaScript; inbox/live.js keeps it up to date. A question that is not for the user is not found, whether
there is one or not; what is around it in its chat is shown to those who may view chat sessions.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from agentchat.actions import colleagues, validation
from agentchat.actions.handovers import own_handovers
from agentchat.actions.staff_inbox import InboxEntry, read_board, waiting_for
from agentchat.actions.staff_log import log_reading
from agentchat.errors import Rejected
from agentchat.models import ChatSession, DelegatedQuestion
from agentchat.presentation.chat_list import agent_title
from agentchat.presentation.json_rows import argument_rows
from agentchat.presentation.requests import only_editable
from agentchat.runs.branching.tree import Tree
from agentchat.visitors import Visitor
from agentchat.web.accounts import redirect_to_login
from agentchat.web.chat_page import shown_page
from agentchat.web.page import for_visitors, render_page
from agentchat.web.schema_form import SchemaForm


def for_users(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view for visitors with an account; guests are redirected to the sign-in page."""

    @for_visitors
    @wraps(view)
    def with_user(request: HttpRequest, visitor: Visitor, **kwargs: Any) -> HttpResponseBase:
        if visitor.user is None:
            return redirect_to_login(request.get_full_path())
        return view(request, visitor, **kwargs)

    return with_user


@require_safe
@for_users
def inbox(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """What waits for this user, the oldest first; with `closed=1`, what became of the others. `agent`: of one agent."""
    state = read_board().state_of(visitor.user)  # before the list is read: what changes meanwhile is read again
    is_closed = request.GET.get("closed") == "1"
    waiting = [] if is_closed else waiting_for(visitor.user)
    closed = colleagues.closed_questions(visitor.user) if is_closed else []
    agents = {each.agent: agent_title(each.agent) for each in [*_chats(waiting), *_chats(closed)]}
    chosen = request.GET.get("agent", "")
    return render_page(
        request,
        visitor,
        "inbox.html",
        entries=[each for each in waiting if chosen in ("", each.chat.agent)],
        questions=[each for each in closed if chosen in ("", each.session.agent)],
        own_handovers=[] if is_closed else own_handovers(visitor.user),
        agents=sorted(agents.items(), key=lambda each: each[1]) if len(agents) > 1 or chosen else [],
        chosen_agent=chosen,
        is_closed=is_closed,
        is_inbox=True,
        inbox_count=state.count if is_closed else len(waiting),
        version=state.version,
        answered=request.GET.get("answered") == "1",
    )


def _chats(waiting: Iterable[InboxEntry | DelegatedQuestion]) -> Iterator[ChatSession]:
    for each in waiting:
        yield each.chat if isinstance(each, InboxEntry) else each.session


@require_http_methods(["GET", "HEAD", "POST"])
@for_users
def question(request: HttpRequest, visitor: Visitor, question_id: int) -> HttpResponseBase:
    """One question, and the form to answer it while it is open. An answer that comes too late has the status 409."""
    found = colleagues.question_for(visitor.user, question_id)
    if found is None:
        raise Http404
    if found.closed_at is not None:
        return _page(request, visitor, found, None, status=409 if request.method == "POST" else 200)
    form = _form_of(found, visitor)
    if request.method == "POST":
        complaint = _answer(found, visitor, form, request.POST)
        if not complaint:
            return redirect(reverse("agentchat:inbox") + "?answered=1")
        return _page(request, visitor, found, form, complaint=complaint, status=400)
    return _page(request, visitor, found, form)


def _form_of(question: DelegatedQuestion, visitor: Visitor) -> SchemaForm | None:
    """The fields of a form, or those arguments that this user may change."""
    asked = question.question
    schema, initial = asked.get("schema"), asked.get("initial") or {}
    if question.kind == "approval":
        is_owner = question.session.owner_id == visitor.user.pk
        schema = only_editable(schema, validation.editable_arguments(asked, is_owner=is_owner))
    return None if schema is None else SchemaForm(schema, initial)


def _answer(question: DelegatedQuestion, visitor: Visitor, form: SchemaForm | None, data: QueryDict) -> str:
    """Give the answer; return what is wrong with it, if something is."""
    value = _value(question, form, data)
    if value is None:
        return gettext("Some of this isn't valid.")
    try:
        client_id = uuid.UUID(data.get("id", ""))
    except ValueError:
        return gettext("This couldn't be saved right now. Check whether it went through, then try again.")
    try:
        colleagues.answer(question.session_id, visitor, client_id=client_id, request=question.request, value=value)
    except Rejected as error:
        rest = form.show_errors(error.errors or {}) if form is not None else []
        return " ".join([str(error), *rest])
    return ""


def _value(question: DelegatedQuestion, form: SchemaForm | None, data: QueryDict) -> Any:
    """The answer as an `answer` frame has it; None if a field is not filled in as it should be."""
    match question.kind, data.get("decision"):
        case "text", _:
            return data.get("text", "").replace("\r\n", "\n")
        case "approval", "reject":
            reason = data.get("reason", "").strip()
            return {"decision": "reject", "reason": reason} if reason else {"decision": "reject"}
        case "approval", "change" if form is not None:
            arguments = form.read(data)
            return None if arguments is None else {"decision": "approve", "arguments": arguments}
        case "approval", decision:
            return {"decision": decision}
    return form.read(data) if form is not None else {}


def _page(
    request: HttpRequest, visitor: Visitor, question: DelegatedQuestion, form: SchemaForm | None, **more: Any
) -> HttpResponseBase:
    status = more.pop("status", 200)
    state = read_board().state_of(visitor.user)
    chat = question.session
    if may_read(visitor):
        log_reading(chat, visitor.user)
    context: Mapping[str, Any] = {
        "question": question,
        "inbox_count": state.count,
        "version": state.version,
        "is_inbox": True,
        "form": form,
        "form_id": uuid.uuid4(),
        "rows": argument_rows(question.arguments, question.question.get("schema")),
        "is_unsure": bool(question.question.get("unsure")),
        "agent": agent_title(chat.agent),
        "items": shown_page(chat, Tree.of(chat.pk)).transcript.items if may_read(visitor) else [],
        "may_read": may_read(visitor),
        **more,
    }
    return render_page(request, visitor, "inbox_question.html", status=status, **context)


def may_read(visitor: Visitor) -> bool:
    """Whether this user may read the chats of others: as in admin."""
    return bool(visitor.user.has_perm("agentchat.view_chatsession"))

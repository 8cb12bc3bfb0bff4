"""Creating a chat session from a form, with its first message if there is one.

The form has an id, made for each page that shows it. What was sent with the same id, agent and text is the same chat: a
second click, a reload or a lost answer makes no other one. It works without JavaScript; start.js stays on the page
until the chat exists.
"""

import uuid
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from agentchat.actions import chats, messages
from agentchat.actions.allowances import paused_sentence
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.models import ChatSession
from agentchat.presentation.file_cards import uploads_of
from agentchat.visitors import Visitor, remember_guest
from agentchat.web.appearance import COOKIE_AGE_SECONDS
from agentchat.web.forms import NewChatForm
from agentchat.web.page import wants_json

AGENT_COOKIE = "agentchat_agent"  # the agent that was chosen last; start.js sets it too


def create_chat(request: HttpRequest, form: NewChatForm, *, page: str) -> HttpResponseBase | None:
    """Create the chat session that the form asks for, and redirect to its `page`.

    None if the form has to be shown again, with its complaints. A guest gets a key with the first chat session.
    """
    chat = _chat_of(request, form) if form.is_valid() else None
    if chat is not None:
        url = reverse(page, args=[chat.pk])
        return JsonResponse({"url": url}) if wants_json(request) else redirect(url)
    if wants_json(request):
        return refused(JsonResponse({"error": next(iter(form.errors.values()))[0]}), form)
    return None


R = TypeVar("R", bound=HttpResponseBase)


def refused(response: R, form: NewChatForm) -> R:
    """The response to a form that was not accepted, with the status that says so."""
    response.status_code = 400 if form.retry_after is None else 429
    if form.retry_after is not None:
        response.headers["Retry-After"] = str(form.retry_after)
    return response


def start_context(
    request: HttpRequest, agents: list[registry.AgentFunction], form: NewChatForm | None = None
) -> dict[str, Any]:
    """What the form for a new chat shows: the agent chosen last; or what was sent, if that was refused."""
    wanted = form["agent"].value() if form else unquote(request.COOKIES.get(AGENT_COOKIE, ""))
    chosen = next((agent for agent in agents if agent.name == wanted), agents[0] if agents else None)
    taking = [agent for agent in (chosen, *agents) if agent is not None and agent.uploads]
    return {
        "agents": agents,
        "chosen": chosen,
        # The form lets files be added if one of the agents takes some; each option says what its own does.
        "uploads": uploads_of(taking[0]) if taking else None,
        "paused": paused_sentence(chosen.name) if chosen else None,
        "form": form,
        "form_id": (form and form["id"].value()) or uuid.uuid4(),
        "draft": form["prompt"].value() or "" if form else "",
    }


def remember_agent(response: HttpResponseBase, name: str) -> None:
    """Let the next new chat begin with this agent."""
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(AGENT_COOKIE, quote(name), max_age=COOKIE_AGE_SECONDS, secure=secure, samesite="Lax")


def _chat_of(request: HttpRequest, form: NewChatForm) -> ChatSession | None:
    agent, text, files = form.cleaned_data["agent"], form.cleaned_data["prompt"], form.cleaned_data["uploads"]
    form_id = form.cleaned_data["id"] or uuid.uuid4()
    visitor = remember_guest(request, form_id)
    session_id = uuid.uuid5(form_id, "\n".join((_key_of(visitor), agent.name, text, *map(str, files))))
    message_id = uuid.uuid5(session_id, "first message")
    try:
        if not text and not files:
            return chats.create(agent.name, visitor)
        messages.start_chat(session_id, agent.name, visitor, client_id=message_id, text=text, files=files)
    except Rejected as rejected:
        form.add_error("prompt", str(rejected))
        form.retry_after = rejected.retry_after
        return None
    return ChatSession(pk=session_id, agent=agent.name)


def _key_of(visitor: Visitor) -> str:
    return visitor.guest_key if visitor.user is None else str(visitor.user.pk)

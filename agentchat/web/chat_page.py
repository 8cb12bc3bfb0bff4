"""What the page of a chat shows, on the site and in an embedded frame."""

from typing import Any

from django.http import HttpRequest

from agentchat import conf
from agentchat.actions.allowances import paused_sentence
from agentchat.actions.feedback import MAX_COMMENT_CHARS
from agentchat.core import registry
from agentchat.infra import moments
from agentchat.llm.config import uses_demo
from agentchat.models import ChatSession, Event
from agentchat.presentation import versions
from agentchat.presentation.chat_list import agent_title
from agentchat.presentation.file_cards import uploads_of
from agentchat.presentation.held_messages import held_messages
from agentchat.presentation.items import Message
from agentchat.presentation.pagination import TranscriptPage, page_of
from agentchat.runs.branching.tree import Tree
from agentchat.visitors import Visitor


def chat_context(request: HttpRequest, visitor: Visitor, chat: ChatSession) -> dict[str, Any]:
    """The context of chat.html for one of the visitor's chats."""
    agent = registry.find(chat.agent)
    # Use the last event read, not next_seq: the page asks the socket for the events that follow it.
    tree = Tree.of(chat.pk)
    page = shown_page(chat, tree)
    shown = page.transcript
    return {
        "visitor": visitor,
        "uses_demo": uses_demo(),
        "chat": chat,
        "agent": agent,
        "agent_title": agent_title(chat.agent),
        "uploads": uploads_of(agent),
        "has_files": any(getattr(item, "files", None) for item in shown.items),
        "held_messages": held_messages(chat) if conf.app.upload_check is not None and agent and agent.uploads else [],
        "is_open": agent is not None and agent.is_open_to(visitor.user),
        "paused": paused_sentence(chat.agent),
        "transcript": shown,
        "versions": versions.add(
            shown.items, chat, tree, is_rated=getattr(chat, "is_rated", True), since=page.earlier or 0
        ),
        "earlier": page.earlier,
        "now": moments.now().isoformat(timespec="seconds"),
        "pending": Message(id="", role="user", writing=False),  # the scripts clone it for what is not sent yet
        "max_message_chars": conf.app.max_message_chars,
        "max_comment_chars": MAX_COMMENT_CHARS,
    }


def shown_page(chat: ChatSession, tree: Tree, *, before: int | None = None) -> TranscriptPage:
    """A page of the branch shown: the last one, or the last before an event number."""
    shown = Event.objects.filter(tree.condition(tree.head_of(chat)), session=chat)
    return page_of(shown, chat.next_seq, before=before)

"""Chats to be found, and what is found of them."""

from django.utils import timezone

from agentchat.models import ChatSession, Event
from agentchat.search import query as search
from agentchat.visitors import Visitor


def create_chat(owner, *messages, title="", deleted=False):
    chat = ChatSession.objects.create(owner=owner, agent="oracle", title=title, next_seq=len(messages) + 1)
    add_messages(chat, *messages)
    if deleted:
        ChatSession.objects.filter(pk=chat.pk).update(deleted_at=timezone.now())
    return chat


def add_messages(chat, *messages):
    for seq, content in enumerate(messages, 1):
        payload = {"messageId": str(seq), "content": content}
        Event.objects.create(session=chat, seq=seq, type="TEXT_MESSAGE_END", payload=payload)


def found(user, query):
    return [chat_of(each) for each in search.find(Visitor(user=user), query).chats]


def chat_of(found):
    """The URL of the chat, without that of the message in it."""
    return found.url.partition("#")[0]


def urls(*chats):
    return [chat.get_absolute_url() for chat in chats]

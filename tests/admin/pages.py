"""Pages of admin, and chats to show on them."""

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from agentchat.models import ChatSession, Event, Run

SESSIONS = "/admin/agentchat/chatsession/"
RUNS = "/admin/agentchat/run/"


def member_of_staff(*permissions: str) -> Client:
    user = User.objects.create_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def chat(owner: User | None = None, *, status: str = "finished", agent: str = "weather", **fields: Any) -> ChatSession:
    session = ChatSession.objects.create(owner=owner, agent=agent, **fields)
    now = timezone.now()
    Run.objects.create(session=session, number=1, agent=agent, status="finished", prompt_tokens=10, completion_tokens=5)
    Run.objects.create(
        session=session, number=2, agent=agent, status=status, prompt_tokens=100, started_at=now, finished_at=now
    )
    return session


def message(number: int, text: str, role: str = "assistant") -> list[tuple[str, dict[str, Any]]]:
    return [
        ("TEXT_MESSAGE_START", {"messageId": f"m{number}", "role": role, "name": "chatbot"}),
        ("TEXT_MESSAGE_END", {"messageId": f"m{number}", "content": text}),
    ]


def say(session: ChatSession, facts: Iterable[tuple[str, dict[str, Any]]]) -> None:
    seq = session.next_seq
    rows = [
        Event(session=session, seq=seq + index, type=type_, payload=payload, created_at=timezone.now())
        for index, (type_, payload) in enumerate(facts)
    ]
    Event.objects.bulk_create(rows)
    session.next_seq += len(rows)
    session.save()


def page(session: ChatSession, query: str = "") -> str:
    return f"{SESSIONS}{session.pk}/change/{query}"


def words_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())

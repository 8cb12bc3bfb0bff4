"""That a chat wants a title of a model (TITLES): a row of the outbox, written with what ends its first answer."""

import uuid
from collections.abc import Iterable

from django.db import models

from agentchat import conf
from agentchat.events import InputRequested, RunFinished
from agentchat.infra import moments
from agentchat.models.chats import ChatSession, Event, OutboxItem


class TitleBy(models.TextChoices):
    """Whose title it stays. Undecided ("") it is made of the first message, and a model may give another one."""

    MESSAGE = "message"
    MODEL = "model"
    USER = "user"


def request_title(session: ChatSession, events: Iterable[Event]) -> None:
    """Ask for a title if these events of a locked chat end an answer, and nobody has decided about its title yet."""
    if session.title_by or conf.app.titles != "model" or not any(map(_ends_answer, events)):
        return
    item = OutboxItem(
        key=uuid.uuid5(session.pk, "title"), session=session, kind=OutboxItem.Kind.TITLE, due_at=moments.now()
    )
    OutboxItem.objects.bulk_create([item], ignore_conflicts=True)


def _ends_answer(event: Event) -> bool:
    return event.type == RunFinished.type or (event.type == InputRequested.type and event.payload["kind"] == "text")

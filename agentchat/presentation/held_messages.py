"""Messages that wait until their files are checked, as the page of their chat shows them."""

from dataclasses import dataclass

from agentchat.models import ChatSession, OutboxItem, StoredFile


@dataclass(frozen=True, kw_only=True)
class HeldMessage:
    """`refusal`: why it is not sent after all; its text is shown until the next message is."""

    id: str
    text: str
    names: list[str]
    refusal: str


def held_messages(chat: ChatSession) -> list[HeldMessage]:
    """Those of a chat, in order."""
    items = OutboxItem.objects.filter(session=chat, kind=OutboxItem.Kind.UPLOAD).order_by("pk")
    found = []
    for item in items:
        if item.error and item.created_at < chat.updated_at:
            continue
        files = list(StoredFile.objects.filter(pk__in=item.value["files"]))
        refusals = [file.refusal for file in files if file.refusal]
        found.append(
            HeldMessage(
                id=str(item.key),
                text=item.value["text"],
                names=[file.name for file in files],
                refusal=refusals[0] if refusals else "",
            )
        )
    return found

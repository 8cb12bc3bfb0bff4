"""Forms of the pages: a new chat, a page of the events, a new name for a chat."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agentchat import conf
from agentchat.actions.chats import TITLE_CHARS
from agentchat.core import registry
from agentchat.visitors import Visitor


class NewChatForm(forms.Form):
    """Create a chat session. `prompt` is its first message, if it has one, and `uploads` are the ids of those that
    go with it; `id` is the form's (new_chat.py).
    """

    id = forms.UUIDField(required=False)
    agent = forms.CharField(max_length=100)
    prompt = forms.CharField(required=False, strip=False)
    uploads = forms.CharField(required=False, max_length=4_000)

    def __init__(self, data: Any, *, visitor: Visitor) -> None:
        super().__init__(data)
        self._visitor = visitor
        self.retry_after: int | None = None  # seconds, if it was refused because there was too much

    def clean_agent(self) -> registry.AgentFunction:
        agent = registry.find(self.cleaned_data["agent"])
        if agent is None or not agent.is_open_to(self._visitor.user):
            # The same message for both: it must not reveal which agents exist.
            raise forms.ValidationError(_("This agent doesn't exist, or isn't available to you."), code="unknown")
        return agent

    def clean_prompt(self) -> str:
        prompt = str(self.cleaned_data["prompt"]).replace("\r\n", "\n")  # which forms make of line breaks
        if len(prompt) > conf.app.max_message_chars:
            raise forms.ValidationError(_("This message is too long."), code="too_long")
        return prompt if prompt.strip() else ""

    def clean_uploads(self) -> list[uuid.UUID]:
        try:
            return [uuid.UUID(each) for each in self.cleaned_data["uploads"].split(",") if each]
        except ValueError:
            raise forms.ValidationError(_("Some of this isn't valid."), code="invalid") from None


class EventsForm(forms.Form):
    """Which page of the events: the last one, or the last one `before` a number."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class RenameForm(forms.Form):
    """The new title of a chat."""

    title = forms.CharField(
        max_length=TITLE_CHARS,
        error_messages={"required": _("Enter a name for the chat."), "max_length": _("This name is too long.")},
    )

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        if not "".join(each for each in title if each.isprintable()).strip():
            raise forms.ValidationError(_("Enter a name for the chat."), code="required")
        return title

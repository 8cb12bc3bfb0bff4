"""What pages send: the choice of an agent function, and where an older part of the events begins."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agentchat import conf, registry
from agentchat.runs.chats import TITLE_CHARS
from agentchat.visitors import Visitor


class NewChatForm(forms.Form):
    """A chat session is to be made. `prompt` is its first message, if the visitor chose one."""

    agent = forms.CharField(max_length=100)
    prompt = forms.CharField(required=False, strip=False)

    def __init__(self, data: Any, *, visitor: Visitor) -> None:
        super().__init__(data)
        self._visitor = visitor

    def clean_agent(self) -> registry.AgentFunction:
        agent = registry.find(self.cleaned_data["agent"])
        if agent is None or not agent.is_open_to(self._visitor.user):
            # The same words for both: whether it is there is nobody's business.
            raise forms.ValidationError(_("There is no such agent."), code="unknown")
        return agent

    def clean_prompt(self) -> str:
        prompt = str(self.cleaned_data["prompt"])
        if len(prompt) > conf.app.max_message_chars:
            raise forms.ValidationError(_("That message is too long."), code="too_long")
        return prompt if prompt.strip() else ""


class EventsForm(forms.Form):
    """Which part of the events is wanted: the last ones, or the last `before` a number."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class RenameForm(forms.Form):
    """What a chat is to be called."""

    title = forms.CharField(
        max_length=TITLE_CHARS,
        error_messages={"required": _("A chat needs a name."), "max_length": _("That name is too long.")},
    )

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        if not "".join(each for each in title if each.isprintable()).strip():
            raise forms.ValidationError(_("A chat needs a name."), code="required")
        return title

"""A user's API keys: what there is, a form to make one, and a button to revoke each."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods

from agentchat import conf
from agentchat.actions import api_keys
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.infra import moments
from agentchat.models import ApiKey
from agentchat.presentation.chat_list import agent_title
from agentchat.visitors import Visitor
from agentchat.web.page import render_page
from agentchat.web.views.inbox import for_users

ALL = "all"
DAYS = [("30", _("30 days")), ("90", _("90 days")), ("365", _("One year")), ("", _("Never"))]


class ApiKeyForm(forms.Form):
    """A new key. `agents` are names, or ALL alone."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("What you will use it for."))
    access = forms.ChoiceField(
        label=_("Access"),
        choices=[("write", _("Read and write")), ("read", _("Read only"))],
        initial="write",
    )
    agent = forms.MultipleChoiceField(label=_("Agents"), widget=forms.CheckboxSelectMultiple, initial=[ALL])
    days = forms.ChoiceField(label=_("Expires after"), choices=DAYS, initial="90", required=False)

    def __init__(self, data: Any = None, *, agents: list[registry.AgentFunction]) -> None:
        super().__init__(data)
        choices: list[tuple[str, Any]] = [(ALL, _("All agents that you may use"))]
        choices += [(f"agent {each.name}", each.title) for each in agents]  # one may be named "all"
        agent = self.fields["agent"]
        assert isinstance(agent, forms.MultipleChoiceField)
        agent.choices = choices

    def clean_name(self) -> str:
        return "".join(each if each.isprintable() else " " for each in str(self.cleaned_data["name"])).strip()

    @property
    def agents(self) -> list[str] | None:
        chosen = self.cleaned_data["agent"]
        return None if ALL in chosen else [name.removeprefix("agent ") for name in chosen]

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["days"]
        return moments.now() + timedelta(days=int(days)) if days else None


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_users
def keys(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """The keys. POST makes one, whose text is on this one answer and nowhere else, or revokes the one in `revoke`."""
    if not conf.app.apis:
        raise Http404
    own = ApiKey.objects.filter(owner=visitor.user, revoked_at=None)
    if request.method == "POST" and "revoke" in request.POST:
        wanted = request.POST["revoke"]
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
            raise Http404
        if not api_keys.revoke(own.filter(pk=int(wanted))):
            raise Http404
        return redirect("agentchat:api_keys")
    agents = list(registry.open_to(visitor.user))
    form = ApiKeyForm(request.POST if request.method == "POST" else None, agents=agents)
    text, complaint = "", ""
    if form.is_bound and form.is_valid():
        try:
            _key, text = api_keys.make(
                visitor.user,
                name=form.cleaned_data["name"],
                agents=form.agents,
                may_write=form.cleaned_data["access"] == "write",
                expires_at=form.expires_at,
            )
        except Rejected as error:
            complaint = str(error)
    return render_page(
        request,
        visitor,
        "api_keys.html",
        keys=[_shown(each) for each in own.order_by("-created_at", "-pk")],
        form=ApiKeyForm(agents=agents) if text else form,
        new_key=text,
        complaint=complaint,
        status=400 if form.is_bound and not text else 200,
    )


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "key": key,
        "agents": None if key.agents is None else [agent_title(name) for name in key.agents],
        "is_expired": key.expires_at is not None and key.expires_at <= moments.now(),
    }

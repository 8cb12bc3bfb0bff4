"""The page of the statistics, and the same as a CSV file."""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agentchat.actions.handovers import EXPORT
from agentchat.actions.staff_access import hidden_agents
from agentchat.actions.staff_log import log_act
from agentchat.admin.statistics import MAX_DAYS, By, Period, Selection, Statistics, StatisticsRow, statistics_of
from agentchat.core import registry
from agentchat.infra import moments

DAYS = 30  # where nothing else is asked for

GROUPINGS: dict[By, Any] = {"day": _("day"), "agent": _("agent"), "owner": _("owner")}

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what spreadsheets compute, or look behind


class StatisticsForm(forms.Form):
    """What the page is asked for. `owner` is a user's name; "-" means guests."""

    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    until = forms.DateField(label=_("To"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    agent = forms.CharField(label=_("Agent"), required=False, max_length=100, widget=forms.Select)
    owner = forms.CharField(label=_("Owner"), required=False, max_length=254, help_text=_("A hyphen means guests."))
    by = forms.ChoiceField(label=_("By"), required=False, choices=[*GROUPINGS.items()])

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data)
        self._owner: Any = None
        names = {*registry.names(), str(data.get("agent", ""))} - {*hidden_agents(user), ""}
        agents: Any = self.fields["agent"].widget
        agents.choices = [("", gettext("All")), *((name, name) for name in sorted(names))]

    def clean_owner(self) -> str:
        name = str(self.cleaned_data["owner"]).strip()
        if name == "-":
            self._owner = ""
        elif name:
            users = get_user_model()
            user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()
            if user is None:
                raise forms.ValidationError(_("There is no user with this name."))
            self._owner = user.pk
        return name

    def clean(self) -> dict[str, Any]:
        period = self._period()
        if period.last < period.first:
            self.add_error("until", _("This is before the first day."))
        elif (period.last - period.first).days >= MAX_DAYS:
            self.add_error("until", _("Choose at most a year."))
        return self.cleaned_data

    def _period(self) -> Period:
        last: date = self.cleaned_data.get("until") or timezone.localtime(moments.now()).date()
        first: date = self.cleaned_data.get("since") or max(last, date.min + timedelta(DAYS)) - timedelta(days=DAYS - 1)
        return Period(first=first, last=min(last, date.max - timedelta(days=2)))

    def selection(self, user: Any) -> Selection:
        """What a valid form selects."""
        return Selection(period=self._period(), user=user, agent=self.cleaned_data["agent"], owner=self._owner)

    @property
    def grouping(self) -> By:
        return next((each for each in GROUPINGS if each == self.cleaned_data.get("by")), "day")


def statistics_response(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The page, or the file with `format=csv`, which is for those who may export. The caller checks who may view."""
    form = StatisticsForm(request.GET, request.user)
    can_export = request.user.has_perm(EXPORT)
    is_file = request.GET.get("format") == "csv"
    if is_file and not can_export:
        raise PermissionDenied
    selection = form.selection(request.user) if form.is_valid() else None
    found = None if selection is None else statistics_of(selection, form.grouping)
    if is_file and found is not None:
        log_act(None, request.user, "Exported statistics.")
        return _file(found)
    query = request.GET.copy()
    query["format"] = "csv"
    more = {
        "title": _("Statistics"),
        "form": form,
        "statistics": found,
        "period": selection and selection.period,
        "by": GROUPINGS[form.grouping],
        "csv_query": query.urlencode() if can_export else "",
    }
    return TemplateResponse(request, "agentchat/admin/statistics.html", {**context, **more})


# --- as a file ------------------------------------------------------------------------------------------------------


def safe_cell(value: Any) -> Any:
    """A value that a spreadsheet shows, and never computes: agents, owners and errors have any names."""
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _file(found: Statistics) -> HttpResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in found.rows:
        writer.writerow([safe_cell(value) for value in _cells(row)])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="statistics.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


COLUMNS = (
    *("name", "runs", "failed", "failures", "open_questions", "tokens", "cost_usd"),
    *("first_token_p50_s", "first_token_p95_s", "tool_p50_s", "tool_p95_s", "thumbs_up", "thumbs_down"),
)


def _cells(row: StatisticsRow) -> Iterator[Any]:
    yield from (row.label, row.runs, row.failed, "; ".join(f"{code}: {n}" for code, n in row.codes))
    yield from (row.open_questions, row.tokens, f"{row.cost:.6f}", row.first_token_p50, row.first_token_p95)
    yield from (row.tool_p50, row.tool_p95, row.up, row.down)

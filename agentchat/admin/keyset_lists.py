"""Admin lists that do not count all rows: tens of thousands are listed as fast as ten.

Django's own count all rows, and skip those of the pages before. These find the keys of the first thousand by one
query, and continue with a cursor where they end. Nor do filters (agents, days) read all rows.
"""

from functools import cached_property
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from agentchat.core import registry
from agentchat.infra.keyset import after, cursor_of, parse_cursor

MAX_COUNTED = 1_000
CURSOR_VAR = "before"


class FirstRowsPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Pages of the first MAX_COUNTED rows. Their keys are found by one query, and no other searches."""

    @property
    def _rows(self) -> QuerySet[Any]:
        return cast("QuerySet[Any]", self.object_list)  # admin paginates no other lists

    @cached_property
    def keys(self) -> list[Any]:
        return list(self._rows.values_list("pk", flat=True)[: MAX_COUNTED + 1])

    @property
    def has_more(self) -> bool:
        return len(self.keys) > MAX_COUNTED

    @cached_property
    def count(self) -> int:
        return min(len(self.keys), MAX_COUNTED)

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self.keys[first : min(first + self.per_page, MAX_COUNTED)]
        return Page(self._rows.filter(pk__in=keys), number, self)


class KeysetChangeList(ChangeList):
    """A list that continues with a cursor where the first rows end, if it is in its default order."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        paginator: Any = self.paginator
        self.has_more = paginator.has_more
        if not self.multi_page:
            self.result_list = paginator.page(1).object_list  # found by `keys`
        self.older = ""
        if self.has_more and ORDER_VAR not in self.params:
            field = self.model_admin.listed_by  # type: ignore[attr-defined]
            last = self.model._default_manager.only(field).get(pk=paginator.keys[MAX_COUNTED - 1])
            self.older = self.get_query_string({CURSOR_VAR: str(cursor_of(last, field))}, [PAGE_VAR])


class CursorFilter(admin.SimpleListFilter):
    """The position in the list. Only shown when it is not the start."""

    title = _("position in the list")
    parameter_name = CURSOR_VAR

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        cursor = parse_cursor(self.used_parameters.get(CURSOR_VAR) or "", model_admin.model)
        return [] if cursor is None else [(str(cursor), _("further down"))]

    def has_output(self) -> bool:
        return CURSOR_VAR in self.used_parameters

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = self.value()
        if text is None:
            return queryset
        cursor = parse_cursor(text, queryset.model)
        if cursor is None:
            raise IncorrectLookupParameters
        return after(queryset, self.model_admin.listed_by, cursor)

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.model_admin = model_admin
        super().__init__(request, params, model, model_admin)


class AgentFilter(admin.SimpleListFilter):
    """By agent function, of those registered now; a URL may name another one."""

    title = _("agent")
    parameter_name = "agent"
    field = "agent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        names = set(registry.names())
        return [(name, name) for name in sorted(names | {self.used_parameters.get("agent") or ""} - {""})]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class AgentOfChatFilter(AgentFilter):
    field = "session__agent"


class KeysetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """A list by the time in `listed_by`, newest first."""

    listed_by = ""
    paginator = FirstRowsPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "agentchat/admin/change_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        # "All" would be more than was counted: rows that the user has not seen.
        if request.POST.get("select_across") == "1" and FirstRowsPaginator(queryset, MAX_COUNTED).has_more:
            message = _("Too many items selected. Filter the list first.")
            self.message_user(request, message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)

"""Lists of staff's pages that do not count what is stored: tens of thousands of rows are listed as fast as ten.

Django's own count all rows, and skip those of the pages before. Here a list has the first thousand, found by one look,
and goes on from the place where they end; what tells rows apart (agents, days) is not asked of all rows either.
"""

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from agentchat import registry
from agentchat.keyset import after, parse_place, place_of

COUNTED = 1_000
PLACE_VAR = "before"


class FirstOnes(Paginator):
    """The first rows, as many as are counted, by their keys: to find these is all the searching that is done."""

    @cached_property
    def keys(self) -> list[Any]:
        return list(self.object_list.values_list("pk", flat=True)[: COUNTED + 1])

    @property
    def has_more(self) -> bool:
        return len(self.keys) > COUNTED

    @cached_property
    def count(self) -> int:
        return min(len(self.keys), COUNTED)

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self.keys[first : min(first + self.per_page, COUNTED)]
        return self._get_page(self.object_list.filter(pk__in=keys), number, self)


class KeysetChangeList(ChangeList):
    """A list that goes on from the place where the first ones end, if it is in its usual order."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        paginator: Any = self.paginator
        self.has_more = paginator.has_more
        if not self.multi_page:
            self.result_list = paginator.page(1).object_list  # found already
        self.older = ""
        if self.has_more and ORDER_VAR not in self.params:
            field = self.model_admin.listed_by  # type: ignore[attr-defined]
            last = self.model._default_manager.only(field).get(pk=paginator.keys[COUNTED - 1])
            self.older = self.get_query_string({PLACE_VAR: str(place_of(last, field))}, [PAGE_VAR])


class PlaceFilter(admin.SimpleListFilter):
    """Where in the list: only shown when it is not its beginning."""

    title = _("place in the list")
    parameter_name = PLACE_VAR

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        place = parse_place(self.used_parameters.get(PLACE_VAR) or "", model_admin.model)
        return [] if place is None else [(str(place), _("farther down"))]

    def has_output(self) -> bool:
        return PLACE_VAR in self.used_parameters

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = self.value()
        if text is None:
            return queryset
        place = parse_place(text, queryset.model)
        if place is None:
            raise IncorrectLookupParameters
        return after(queryset, self.model_admin.listed_by, place)

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.model_admin = model_admin
        super().__init__(request, params, model, model_admin)


class AgentFilter(admin.SimpleListFilter):
    """By agent function, of those that there are now; an address may name another."""

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


class KeysetAdmin(admin.ModelAdmin):
    """A list in the order of the time in `listed_by`, the newest first."""

    listed_by = ""
    paginator = FirstOnes
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "agentchat/admin/change_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        # "All" would be more than was counted: nobody has seen what that is.
        if request.POST.get("select_across") == "1" and FirstOnes(queryset, COUNTED).has_more:
            words = _("These are too many at once: narrow the list down first.")
            self.message_user(request, words, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset)

"""`{% load agentchat %}`: the tags and filters that our own templates use."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.template import Context, Template, TemplateDoesNotExist
from django.templatetags.i18n import TranslateNode
from django.urls import reverse
from django.utils import timezone as zones

from agentchat.infra import moments
from agentchat.models import ChatSession
from agentchat.presentation.chat_list import blank_entry, chats_by_day


def rendered(source, **context):
    return Template("{% load agentchat %}" + source).render(Context(context))


@pytest.mark.parametrize("name", ["icons/copy.svg", "_time.html"])
def test_a_small_template_is_included_as_include_does_it(name):
    item = {"at": moments.now()}
    ours, django = (f'{{% {tag} "agentchat/{name}" %}}' for tag in ("agentchat_include", "include"))
    assert rendered(ours, item=item) == rendered(django, item=item) != ""


def test_a_part_has_the_variables_that_it_is_given_and_no_others():
    part = '{% agentchat_part "agentchat/_unfold.html" with is_long=item.is_long %}'
    is_hidden = [" hidden" in rendered(part, item={"is_long": long}, is_long=not long) for long in (True, False)]
    assert is_hidden == [False, True]


def test_a_part_is_rendered_once_for_each_of_its_values_and_languages(monkeypatch):
    part = '{% for long in items %}{% agentchat_part "agentchat/_unfold.html" with is_long=long %}{% endfor %}'
    template, times, render = Template("{% load agentchat i18n %}" + part), [], TranslateNode.render
    monkeypatch.setattr(TranslateNode, "render", lambda node, context: times.append(1) or render(node, context))
    once = template.render(Context({"items": [True, False]}))
    assert template.render(Context({"items": [True, False] * 50})) == once * 50
    assert len(times) == 2 * 2, "two strings, for two values"
    in_both = '{% language "en" %}' + part + '{% endlanguage %}{% language "de" %}' + part + "{% endlanguage %}"
    english, german = (
        Template("{% load agentchat i18n %}" + in_both).render(Context({"items": [True]})).split("</button>")[:2]
    )
    assert ("Show all" in english, "Show all" in german) == (True, False)


def test_an_entry_of_the_list_is_rendered_anew_when_it_has_changed(db):
    chat = ChatSession.objects.create(agent="assistant", title="Paris")
    days = Template('{% include "agentchat/_days.html" %}')

    def shown(current=None):
        return days.render(Context({"days": chats_by_day([chat], current=current)}))

    first = shown()
    chat.title = "Rome"
    assert "Paris" in first
    assert first.replace("Paris", "Rome") == shown() != first
    assert 'aria-current="page"' in shown(current=chat)
    assert 'aria-current="page"' not in shown()


def test_the_title_of_a_chat_is_escaped_in_the_name_of_its_options():
    title = "<b>{0} %s</b>"
    shown = rendered("{% agentchat_options_of title %}", title=title)
    assert shown == "Options for “<span data-title>&lt;b&gt;{0} %s&lt;/b&gt;</span>”"


def test_a_template_that_is_missing_is_noticed_at_once():
    with pytest.raises(TemplateDoesNotExist):
        Template('{% load agentchat %}{% if False %}{% agentchat_include "agentchat/none.svg" %}{% endif %}')


def test_the_day_is_told_unless_it_is_today_where_the_reader_is():
    here = timezone(timedelta(hours=14))
    with zones.override(here):
        midnight = datetime.now(here).replace(hour=0, minute=0, second=0, microsecond=0)
        today, yesterday = (each.astimezone(UTC) for each in (midnight, midnight - timedelta(minutes=1)))
        assert rendered("{{ at|agentchat_time }}", at=today) == "midnight"
        assert rendered("{{ at|agentchat_time }}", at=yesterday).endswith("11:59 p.m.")
        assert rendered("{{ at|agentchat_time }}", at=yesterday) != "11:59 p.m."
    assert rendered("{{ at|agentchat_time }}", at=None) == ""


def test_each_entry_of_a_list_leads_to_its_own_chat():
    chats = [ChatSession(agent="probe", updated_at=moments.now()) for _ in range(2)]
    [day] = chats_by_day(chats)
    for chat, entry in zip(chats, day.entries, strict=True):
        assert entry.url == chat.get_absolute_url()
        assert entry.options_url == reverse("agentchat:options", args=[chat.pk])
    assert str(blank_entry().id) in blank_entry().url

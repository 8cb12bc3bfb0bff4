"""docs/customising.md: what it names is there, and what it shows works."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template

from agentchat.core import registry
from chatsite.settings import TEMPLATES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "customising.md").read_text(encoding="utf-8")
TOKENS = (ROOT / "agentchat" / "static" / "agentchat" / "css" / "tokens.css").read_text(encoding="utf-8")


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def blocks_of(template):
    text = (ROOT / "templates" / template).read_text(encoding="utf-8")
    return set(re.findall(r"{% block (\w+) %}", text))


def blocks_in_docs():
    rows = re.findall(r"^\| `(agentchat/\w+\.html)` \|.*?\| (.*?) \|$", PAGE, re.MULTILINE)
    return {template: set(re.findall(r"`(\w+)`", blocks)) for template, blocks in rows}


@pytest.fixture
def own_templates(settings, tmp_path):
    """A project's own folder of templates, before ours."""
    (tmp_path / "agentchat").mkdir()
    settings.TEMPLATES = [{**TEMPLATES[0], "DIRS": [tmp_path, *TEMPLATES[0]["DIRS"]]}]
    return tmp_path / "agentchat"


def test_every_block_is_in_the_table_and_nothing_else():
    base, app = blocks_of("agentchat/base.html"), blocks_of("agentchat/app.html")
    own = {
        "agentchat/base.html": base,
        "agentchat/app.html": app - base,
        "agentchat/embed.html": blocks_of("agentchat/embed.html") - base,
        "agentchat/share.html": blocks_of("agentchat/share.html") - base,
    }
    for name in ("chats", "chat", "share_links", "options", "my_data", "my_data_delete", "api_keys"):
        template = f"agentchat/{name}.html"
        own[template] = blocks_of(template) - app - base
    assert blocks_in_docs() == own


def test_every_colour_is_in_the_table():
    table = PAGE.partition("| property |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(--[\w-]+)`", table)) | {f"--palette-{number}" for number in range(8)}
    assert told == set(re.findall(r"^\s+(--[\w-]+):", TOKENS, re.MULTILINE))


def test_the_colours_of_the_example_exist():
    button, theme = examples("css")
    assert set(re.findall(r"(--[\w-]+):", theme)) <= set(re.findall(r"(--[\w-]+):", TOKENS))
    widget = Path(finders.find("agentchat/css/widget.css")).read_text(encoding="utf-8")
    assert all(f"var({name}," in widget for name in re.findall(r"(--[\w-]+):", button))


@pytest.mark.django_db
def test_a_stylesheet_of_ones_own_comes_last(client, own_templates, settings):
    settings.AGENTCHAT = {"GUESTS": True}
    (own_templates / "base.html").write_text(examples("django")[1])
    html = client.get("/chat/").text
    assert html.rindex("agentchat/css/") < html.index("/static/shop/chat.css") < html.index("</head>")


@pytest.mark.django_db
def test_one_block_changes_and_the_others_stay(client, own_templates, settings):
    settings.AGENTCHAT = {"GUESTS": True}
    (own_templates / "chats.html").write_text(examples("django")[2])
    html = client.get("/chat/").text
    assert "What can we do for you today?" in html
    assert "Who would you like to chat with?" not in html
    assert 'class="agents"' in html


def test_the_widget_of_the_example_is_rendered():
    registry.on_connect("weather")(lambda iostream: None) if registry.find("weather") is None else None
    assert 'src="/embed/weather/"' in Template(examples("django")[0]).render(Context())

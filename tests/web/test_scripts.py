"""The scripts of a page are asked for all at once."""

import re

import pytest

from tests.web.views.pages import CHATS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


def preloaded(html):
    return re.findall(r'<link rel="modulepreload" href="([^"]+)">', html)


def test_a_page_names_every_module_that_its_scripts_import(as_ada, told):
    names = preloaded(as_ada.get(told.get_absolute_url()).content.decode())
    assert {"/static/agentchat/js/common/browser.js", "/static/agentchat/js/forms/card.js"} <= set(names)
    assert len(names) > 35
    assert "/static/agentchat/js/common/toasts.js" in preloaded(as_ada.get(CHATS).content.decode())


def test_a_storage_that_leaves_imports_alone_gets_the_names_that_browsers_ask_for(as_ada, told, settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "tests.web.test_scripts.HashesNames"},
    }
    html = as_ada.get(told.get_absolute_url()).content.decode()
    assert 'src="/static/agentchat/js/chat/main.js?hash"' in html
    assert "/static/agentchat/js/chat/composer.js" in preloaded(html)


class HashesNames:
    support_js_module_import_aggregation = False

    def url(self, name):
        return f"/static/{name}?hash"

"""What pages say while the database is unavailable, in a project without a handler500 of ours."""

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client

from agentchat.errors import DatabaseUnavailable
from tests.web.views.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("guests"), pytest.mark.urls("tests.host_urls")]


@pytest.fixture
def failing(monkeypatch):
    """Let the pages fail with an error."""

    def fail_with(error):
        def fail():
            raise error

        monkeypatch.setattr("agentchat.web.page.uses_demo", fail)

    return fail_with


@pytest.mark.parametrize("error", [OperationalError("the secret address"), DatabaseUnavailable("the secret address")])
def test_a_page_says_that_it_is_back_soon_and_nothing_is_lost(failing, error, caplog):
    failing(error)
    response = Client().get("/chat/", headers={"accept-language": "de"})
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Nichts ist verloren gegangen." in text_of(response)
    assert "secret" not in response.content.decode()
    [record] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "unavailable for /chat/" in record.getMessage()


def test_an_error_that_lasts_is_none_of_these(failing):
    failing(IntegrityError("one too many"))
    with pytest.raises(IntegrityError):
        Client().get("/chat/")


def test_what_django_is_to_undo_is_left_to_django(failing, monkeypatch):
    from agentchat.infra.database import connection

    monkeypatch.setitem(connection().settings_dict, "ATOMIC_REQUESTS", True)
    failing(OperationalError("gone"))
    with pytest.raises(OperationalError):
        Client().get("/chat/")

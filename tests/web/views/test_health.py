"""Health checks."""

import json

import pytest

from agentchat import server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("agents")]


def test_healthz_answers_without_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.parametrize(("supervisor", "status"), [(True, 200), ("the server is stopping", 503), (False, 503)])
def test_readyz_reports_whether_the_process_can_work(client, monkeypatch, supervisor, status):
    monkeypatch.setattr(server, "is_ready", lambda: {"database": True, "supervisor": supervisor})
    response = client.get("/readyz")
    assert response.status_code == status
    assert json.loads(response.content) == {"database": True, "supervisor": supervisor}

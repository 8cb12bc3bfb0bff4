"""chatsite: its addresses, its static files, and its agents."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from agentchat.testing import call, say
from chatsite.agents import weather_forecast

ROOT = Path(__file__).resolve().parents[2]


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/", "/nowhere/", "/static/nowhere.css"])
def test_every_page_of_the_site_has_the_strict_policy(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_static_files_have_the_strict_policy_too_and_belong_to_this_site_alone(client):
    answer = client.get("/static/agentchat/icon.svg")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not answer.streaming


@pytest.mark.django_db
def test_users_sign_in_change_their_password_and_sign_out(client):
    get_user_model().objects.create_user("ada", password="a long word")
    answer = client.post("/accounts/login/", {"username": "ada", "password": "a long word"})
    assert (answer.status_code, answer.url) == (302, "/")
    new = {"old_password": "a long word", "new_password1": "another-97-word", "new_password2": "another-97-word"}
    assert client.post("/accounts/password_change/", new).url == "/accounts/password_change/done/"
    assert client.get("/accounts/password_change/done/").status_code == 200
    assert client.post("/accounts/logout/").status_code == 302
    assert client.login(username="ada", password="another-97-word")


@pytest.mark.django_db
def test_tls_is_asked_for_but_not_of_a_watchdog(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/accounts/login/").status_code == 301
    assert client.get("/healthz").status_code == 200


@pytest.mark.slow
def test_without_debug_static_files_are_hashed_compressed_and_kept_for_ever(tmp_path):
    """A process of its own: hashed names are read once, at start."""
    (tmp_path / "elsewhere.py").write_text(
        f"from chatsite.settings import *\nSTATIC_ROOT = {str(tmp_path / 'static')!r}\nALLOWED_HOSTS = ['testserver']\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "DJANGO_SETTINGS_MODULE": "elsewhere",
        "SECRET_KEY": "k" * 60,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "AGENTCHAT_GUESTS": "1",
    }

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("manage.py", "collectstatic", "--noinput")
    run("manage.py", "migrate", "--verbosity", "0")
    look = """
import json, re, django
django.setup()
from django.test import Client
page = Client().get("/chat/", secure=True).content.decode()
paths = re.findall(r'/static/[^"]+', page)
found = {path: dict(Client().get(path, secure=True, headers={"accept-encoding": "gzip"}).headers) for path in paths}
print(json.dumps(found))
"""
    found = json.loads(run("-c", look))
    assert any(path.endswith(".css") for path in found)
    for path, headers in found.items():
        assert "immutable" in headers["Cache-Control"], path
        if path.endswith(".css"):
            assert headers["Content-Encoding"] == "gzip"
    scripts = tmp_path / "static" / "agentchat" / "js"
    [module] = scripts.glob("chat/main.????????????.js")
    imported = re.findall(r'from\s*"([^"]+)"', module.read_text())
    assert imported
    for name in imported:
        assert (module.parent / name).exists(), name
        assert name.count(".") >= 3, f"{name}: not the hashed name"
    assert "The chat page: makes the parts" not in module.read_text()  # its comment
    compressed = [each.with_name(each.name + ".gz") for each in scripts.glob("*/*.????????????.js")]

    def weight(found):
        return sum(min(each.stat().st_size for each in (gz, gz.with_suffix("")) if each.exists()) for gz in found)

    of_uploads = [each for each in compressed if each.parent.name == "uploads"]  # only where an agent takes files
    assert 20 * 1024 < weight(each for each in compressed if each not in of_uploads) <= 42 * 1024
    assert 2 * 1024 < weight(of_uploads) <= 8 * 1024
    assert gzip.decompress(module.with_name(module.name + ".gz").read_bytes()) == module.read_bytes()


# --- agents ---------------------------------------------------------------------------------------------------------


def test_the_forecast_is_always_the_same_and_is_labelled_as_made_up():
    assert weather_forecast("Paris") == weather_forecast(" paris ").replace("paris", "Paris")
    assert "made-up" in weather_forecast("Paris")
    assert weather_forecast("Paris").split(": ")[1] != weather_forecast("Oslo").split(": ")[1]


def test_the_weather_desk_calls_its_tool_and_is_done(scripted_llm, agent_chat):
    scripted_llm.replies(call("weather_forecast", city="Paris"), say("It is nice there. TERMINATE"))
    chat = agent_chat("weather")
    chat.send("What is the weather in Paris?")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert chat.wait_for("TOOL_CALL_RESULT")["content"] == weather_forecast("Paris")
    assert len(scripted_llm.requests) == 2


def asked(scripted_llm, number):
    """Who said what in a request, but for the system message."""
    [system, *messages] = scripted_llm.requests[number]["messages"]
    assert system["role"] == "system"
    return [(message["role"], message["content"]) for message in messages]


def test_the_assistant_continues_until_the_user_leaves_and_remembers(scripted_llm, agent_chat):
    scripted_llm.replies(say("Hi"), say("I see"), say("Of course"))
    chat = agent_chat("assistant")
    chat.send("Hello, I am Ada")
    assert chat.wait_for("INPUT_REQUESTED")["prompt"] == ""
    chat.send("  TERMINATE is a film\n")
    chat.wait_for("INPUT_REQUESTED", count=2)
    talk = [("user", "Hello, I am Ada"), ("assistant", "Hi"), ("user", "  TERMINATE is a film\n")]
    assert asked(scripted_llm, 1) == talk
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    chat.send("Do you remember me?")
    chat.wait_for("INPUT_REQUESTED", count=3)
    assert asked(scripted_llm, 2) == [*talk, ("assistant", "I see"), ("user", "Do you remember me?")]


def test_the_assistant_sends_no_names_of_users(scripted_llm, agent_chat, django_user_model):
    scripted_llm.replies(say("Hi"), say("Yes"))
    chat = agent_chat("assistant", user=django_user_model.objects.create_user("lovelace"))
    chat.send("Hello")
    chat.wait_for("INPUT_REQUESTED")
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    chat.send("Who am I?")
    chat.wait_for("INPUT_REQUESTED", count=2)
    assert len(scripted_llm.requests) == 2
    assert "lovelace" not in json.dumps(scripted_llm.requests)

"""The wheel: what a project of somebody else gets, and that the README's lines are all it takes."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PERSON = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class Persons(BaseUserManager):
    def create_user(self, email, password=None):
        person = self.model(email=email)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(primary_key=True)
    is_staff = models.BooleanField(default=False)
    USERNAME_FIELD = "email"
    objects = Persons()
"""

AGENT = """
from agentchat import on_connect


@on_connect("echo", title="The echo of the shop")
def echo(iostream):
    iostream.print(iostream.input())
"""

LOOK = """
import django

django.setup()
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.test import Client
from django.test.utils import setup_test_environment

setup_test_environment()
settings.DEBUG = True
import agentchat
from agentchat.models import ChatSession

def chat(client):
    page = client.get("/chat/")
    assert page.status_code == 200, page
    assert "The echo of the shop" in page.content.decode()
    made = client.post("/chat/", {"agent": "echo"})
    assert made.status_code == 302, made.content
    assert client.get(made.url).status_code == 200
    return ChatSession.objects.get(pk=made.url.split("/")[-2])

guest = chat(Client())
assert guest.owner is None

ada = get_user_model()._default_manager.create_user("ada@example.com")
signed_in = Client()
signed_in.force_login(ada)
assert chat(signed_in).owner == ada
assert Client().get("/accounts/login/").status_code == 200

from mysite.asgi import application
assert type(application).__module__ == "agentchat.server"
assert finders.find("agentchat/css/base.css")
print(agentchat.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "-w", folder, ROOT]
    subprocess.run(command, check=True)
    [wheel] = folder.glob("agentchat-*.whl")
    return wheel


@pytest.fixture(scope="module")
def site_packages(wheel, tmp_path_factory):
    """A folder with the wheel in it and nothing else; what it depends on is installed already."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run(command, check=True)
    return folder


def readme_lines():
    """What the README says to add, by file."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n# (mysite/\w+\.py)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return dict(blocks)


def test_the_wheel_holds_code_templates_static_files_translations_and_migrations_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "agentchat/locale/ar/LC_MESSAGES/django.mo",
        "agentchat/locale/de/LC_MESSAGES/django.mo",
        "agentchat/migrations/0001_initial.py",
        "agentchat/py.typed",
        "agentchat/static/agentchat/css/base.css",
        "agentchat/static/agentchat/js/chat/main.js",
        "agentchat/templates/admin/agentchat/search_form.html",
        "agentchat/templates/agentchat/chat.html",
        "agentchat/templates/registration/login.html",
    ):
        assert wanted in names
    assert {name.split("/")[0] for name in names} == {"agentchat", "agentchat-0.1.0.dist-info"}
    assert not [name for name in names if "__pycache__" in name]


def test_the_readme_adds_no_more_than_ten_statements():
    assert sorted(readme_lines()) == ["mysite/asgi.py", "mysite/settings.py", "mysite/urls.py"]
    lines = [line for text in readme_lines().values() for line in text.splitlines() if line.strip()]
    statements = [line for line in lines if not line.startswith((" ", "}"))]
    assert len(statements) <= 11


@pytest.mark.slow
@pytest.mark.parametrize("custom_user", [False, True], ids=["Django's users", "users of its own"])
def test_the_readmes_lines_make_an_empty_project_a_chat(site_packages, tmp_path, custom_user):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}{os.pathsep}{site_packages}"}

    def run(*command):
        done = subprocess.run(
            [sys.executable, "-W", "error", *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "django", "startproject", "mysite", ".")
    (tmp_path / "mysite" / "agents.py").write_text(AGENT)
    for name, text in readme_lines().items():
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}")
    own = 'INSTALLED_APPS += ["mysite"]\n'
    if custom_user:
        run("-m", "django", "startapp", "people")
        (tmp_path / "people" / "models.py").write_text(PERSON)
        own += 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.Person"\n'
    with (tmp_path / "mysite" / "settings.py").open("a", encoding="utf-8") as file:
        file.write(own)

    if custom_user:
        run("manage.py", "makemigrations", "people", "--verbosity", "0")
    run("manage.py", "check", "--fail-level", "WARNING")
    run("manage.py", "migrate", "--verbosity", "0")
    environment["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    assert run("-c", LOOK).strip().startswith(str(site_packages))

"""The app in a project of somebody else, however it is set up: users get through it, and `check` has nothing to say.

Each variant is a project of its own, in a process of its own. What cannot work is in tests/checks.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.foreign.project import Project
from tests.foreign.variants import VARIANTS, Variant
from tests.services import standing


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    return lambda **parts: Project(tmp_path, **parts)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_users_get_through(project, migrated, variant: Variant):
    site = project(settings=variant.settings, urls=variant.urls)
    shutil.copy(migrated, site.folder)
    if variant.prepare:
        site.manage(*variant.prepare, "--verbosity", "0")
    assert site.walk(**variant.walk) == []


def test_a_transaction_around_each_request_works_and_is_warned_about(project, migrated):
    site = project(settings='\nDATABASES["default"]["ATOMIC_REQUESTS"] = True\n')
    shutil.copy(migrated, site.folder)
    assert site.walk() == ["agentchat.W007"]


# --- users of one's own ----------------------------------------------------------------------------------------------

PEOPLE = """
INSTALLED_APPS += ["people"]
INSTALLED_APPS.remove("django.contrib.admin")
AUTH_USER_MODEL = "people.Person"
TEMPLATES[0]["OPTIONS"]["context_processors"] = []
"""
WITHOUT_ADMIN = """
from django.urls import include, path

urlpatterns = [path("accounts/", include("django.contrib.auth.urls")), path("", include("agentchat.urls"))]
""".lstrip()
PERSON = """
import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class Persons(BaseUserManager):
    def create_superuser(self, nick, password):
        person = self.model(nick=nick)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser):
    {key}
    USERNAME_FIELD = "nick"
    objects = Persons()
"""
KEYS = {
    "a name as key": "nick = models.CharField(max_length=30, primary_key=True)",
    "a UUID as key": "id = models.UUIDField(primary_key=True, default=uuid.uuid4); "
    "nick = models.CharField(max_length=30, unique=True)",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_users_of_ones_own_need_neither_an_address_nor_is_staff(project, key):
    site = project(settings=PEOPLE, urls=WITHOUT_ADMIN)
    site.write("people/__init__.py", "")
    site.write("people/migrations/__init__.py", "")
    site.write("people/models.py", PERSON.format(key=key))
    site.manage("makemigrations", "people", "--verbosity", "0")
    site.manage("migrate", "--verbosity", "0")
    assert site.walk(is_staff_known=False) == []


# --- databases -------------------------------------------------------------------------------------------------------

ROUTER = """
class Router:
    def db_for_read(self, model, **hints):
        return "main"

    db_for_write = db_for_read

    def allow_migrate(self, database, app_label, **hints):
        return database == "main"
"""
OTHER_DATABASE = """
DATABASES["main"] = {**DATABASES["default"], "NAME": BASE_DIR / "main.sqlite3"}
DATABASES["default"] = {}
DATABASE_ROUTERS = ["mysite.routers.Router"]
"""
ROLL_BACK = """
import uuid
import django

django.setup()
from django.db import connections
from agentchat.actions import messages
from agentchat.models import ChatSession
from agentchat.runs import leases, session_lock
from agentchat.visitors import Visitor

chat = ChatSession.objects.create(agent="echo", guest_key="g")
visitor = Visitor(guest_key="g")


def fails_in(module, name, action):
    whole = getattr(module, name)

    def fail(*args, **kwargs):
        whole(*args, **kwargs)
        assert connections["main"].in_atomic_block
        raise ZeroDivisionError

    setattr(module, name, fail)
    try:
        action()
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError(f"{name} was not called")
    setattr(module, name, whole)


def send():
    messages.send(chat.pk, visitor, client_id=uuid.uuid4(), text="Hello")


fails_in(session_lock, "append", send)
assert not chat.runs.exists() and not chat.events.exists() and not chat.inbox.exists()
chat.refresh_from_db()
assert (chat.next_seq, chat.title) == (1, "")
send()
run = chat.runs.get()
fails_in(leases, "_claim", lambda: leases.claim(run.pk))
run.refresh_from_db()
assert (run.status, run.epoch, run.owner_process) == ("queued", 0, "")
assert leases.claim(run.pk)
print("rolled back")
"""


def other_database(project, settings):
    site = project(settings=settings)
    site.write("mysite/routers.py", ROUTER)
    site.manage("migrate", "--database", "main", "--verbosity", "0")
    return site


def test_in_another_database_than_the_default_one_what_fails_is_undone(project):
    site = other_database(project, OTHER_DATABASE)
    assert site.walk() == []
    assert "rolled back" in site.run("-c", ROLL_BACK)


@pytest.mark.services
def test_in_another_postgresql_than_the_default_database_what_fails_is_undone(project):
    with standing.database(standing.database_server()) as url:
        database = f'import environ\nDATABASES["main"] = environ.Env.db_url_config("{url}")\n'
        site = other_database(project, f'\n{database}DATABASE_ROUTERS = ["mysite.routers.Router"]\n')
        assert site.walk() == []
        assert "rolled back" in site.run("-c", ROLL_BACK)


@pytest.mark.services
def test_times_without_a_zone_on_postgresql(project):
    with standing.database(standing.database_server()) as url:
        database = f'import environ\nDATABASES = {{"default": environ.Env.db_url_config("{url}")}}\n'
        site = project(settings=f'\n{database}USE_TZ = False\nTIME_ZONE = "America/Bogota"\n')
        site.manage("migrate", "--verbosity", "0")
        assert site.walk() == []


def test_what_is_in_a_file_moves_into_the_database_that_routers_choose(project, migrated, tmp_path_factory):
    settings = "\nUSE_TZ = False\nTIME_ZONE = 'America/Bogota'\n"
    old = Project(tmp_path_factory.mktemp("old"), settings=settings)
    shutil.copy(migrated, old.folder)
    assert old.walk() == []
    site = other_database(project, OTHER_DATABASE + settings)
    site.manage("agentchat_transfer", str(old.folder / "db.sqlite3"))
    events = "import django; django.setup(); from agentchat.models import *; print([*Event.objects.values_list()])"
    assert site.run("-c", events) == old.run("-c", events)

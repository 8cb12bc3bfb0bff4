"""docs/your-project.md: each block does in a project what the page says, from the first line to uninstalling it."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from websockets.exceptions import WebSocketException

from tests.foreign.project import AGENTS, ROOT, Project
from tests.services import standing

PAGE = (ROOT / "docs" / "your-project.md").read_text(encoding="utf-8")
SECTIONS = dict(section.split("\n", 1) for section in PAGE.split("\n## ")[1:])


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)


def files(*sections: str) -> dict[str, str]:
    """What these sections add to the files of mysite, by their names without ".py"."""
    found: dict[str, str] = {}
    for section in sections:
        for block in blocks(section, "python"):
            [(name, text)] = re.findall(r"\A# mysite/(\w+)\.py(\n.*)", block, re.DOTALL)
            found[name] = found.get(name, "") + text
    return found


def commands(section: str) -> list[str]:
    return [line for block in blocks(section, "sh") for line in block.splitlines() if line.strip()]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Project]:
    """A project with what the page says up to `One process`, and in other sections."""

    def make(*sections: str, settings: str = "") -> Project:
        found = files("One process", *sections)
        site = Project(tmp_path, needed=found["settings"], settings=settings, urls=found["urls"], asgi=found["asgi"])
        site.write("mysite/agents.py", found["agents"])
        return site

    return make


def test_one_process(made, migrated):
    site = made()
    assert commands("One process") == [f"python manage.py {each}" for each in ("check", "migrate", "runserver")]
    shutil.copy(migrated, site.folder)
    site.write("mysite/agents.py", AGENTS)
    assert site.walk() == []


def test_the_first_agent_function(made):
    done = subprocess.run(
        [sys.executable, "manage.py", "chat", "echo"],
        cwd=(site := made()).folder,
        env=site.environment,
        input="Hello\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "You said: Hello" in done.stdout


def test_scripts_import_one_another_by_hashed_names(made):
    site = made("Static files")
    assert commands("Static files") == ["python manage.py collectstatic --noinput"]
    site.manage("collectstatic", "--noinput", "--verbosity", "0")
    scripts = list((site.folder / "static" / "agentchat" / "js").rglob("*.*.js"))
    imports = [name for each in scripts for name in re.findall(r'from "(\./[^"]+|\.\./[^"]+)"', each.read_text())]
    assert len(imports) > 50
    assert [name for name in imports if not re.search(r"\.[0-9a-f]{12}\.js$", name)] == []
    assert site.run("manage.py", "check", "--fail-level", "WARNING")


def test_below_a_path_behind_a_proxy(made, migrated):
    site = made("A path, a proxy, health")
    shutil.copy(migrated, site.folder)
    site.write("mysite/agents.py", AGENTS)
    proxy = {"x_forwarded_host": "public.example", "x_forwarded_proto": "https"}
    below = {"mount": "/app/", "strip": "/app", "admin": "/app/admin/"}
    assert site.walk(**below, host="10.0.0.1:8000", origin="https://public.example", headers=proxy) == []
    assert site.walk(**below | {"strip": ""}, host="10.0.0.1", origin="https://public.example", headers=proxy) == []


def test_the_proxy_asks_for_health_below_the_path(tmp_path):
    [command] = commands("A path, a proxy, health")
    shutil.copy(ROOT / "deploy" / "haproxy.cfg", tmp_path)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    text = (tmp_path / "haproxy.cfg").read_text()
    assert text.count("uri /app/readyz") == 1
    assert text.count("uri /app/healthz") == 2
    assert "path_beg /app/static/" in text


def server_named(name: str) -> str:
    [command] = [each for each in commands("The server") if each.startswith(name)]
    return command


def says_and_hears(guest, server, *, chats: int = 1) -> None:
    visitor = guest(server)
    pages = [visitor.new_chat("echo") for _ in range(chats)]
    for number, page in enumerate(pages):
        page.send(f"Hello {number}")
    for number, page in enumerate(pages):
        page.wait_for("PRINTED", text=f"You said: Hello {number}\n")


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_a_server_of_one_process(made, migrated, guest, name):
    site = made()
    shutil.copy(migrated, site.folder)
    with site.serve(server_named(name)) as server:
        says_and_hears(guest, server)
    assert server.exit_code in (0, -signal.SIGTERM)  # uvicorn stops in order, and then as it was told to
    assert "Traceback" not in (site.folder / "server.log").read_text()


def test_nothing_of_daphne_is_imported_where_another_server_serves(made):
    site = made(settings='\nINSTALLED_APPS.remove("daphne")\n')
    look = (
        "import sys, mysite.asgi; print([each for each in sys.modules if each.split('.')[0] in ('daphne', 'twisted')])"
    )
    assert site.run("-c", look).strip() == "[]"


@pytest.fixture
def two_nodes(made) -> Iterator[Project]:
    """The project on PostgreSQL and Redis, migrated."""
    redis_url = standing.redis_server()
    with standing.database(standing.database_server()) as url, standing.key_prefix(redis_url) as prefix:
        site = made("Two nodes", settings=f'\nCACHES["default"]["KEY_PREFIX"] = "{prefix}"\n')
        at = urlsplit(url)
        site.environment |= {
            "PGHOST": at.hostname or "",
            "PGPORT": str(at.port),
            "PGUSER": at.username or "",
            "PGPASSWORD": at.password or "",
            "PGDATABASE": at.path.lstrip("/"),
            "REDIS_URL": redis_url,
        }
        text = (site.folder / "mysite" / "settings.py").read_text()
        site.write("mysite/settings.py", text.replace("mysite:layer:", f"{prefix}:layer:"))
        site.manage("migrate", "--verbosity", "0")
        site.url = url
        yield site


def connect_until_refused(page, opened):
    """Watch a chat, and come back each time the socket is closed, until the server takes no more."""
    for _ in range(10_000):
        try:
            with page._connect() as socket:
                opened.release()
                list(socket)
        except ConnectionRefusedError:
            return
        except (OSError, WebSocketException):
            pass
    pytest.fail("the server still takes connections")


@pytest.mark.services
def test_two_processes_of_gunicorn_see_what_the_other_writes_and_stop_at_once(two_nodes, guest):
    with two_nodes.serve(server_named("gunicorn")) as server:
        says_and_hears(guest, server, chats=6)
        page, opened = guest(server).new_chat("echo"), threading.Semaphore(0)
        clients = ThreadPoolExecutor(24)
        hasty = [clients.submit(connect_until_refused, page, opened) for _ in range(24)]
        for _ in hasty:
            assert opened.acquire(timeout=10)
    for client in hasty:
        client.result()
    log = (two_nodes.folder / "server.log").read_text()
    assert server.exit_code == 0, log
    assert len(set(re.findall(r"Booting worker with pid: (\d+)", log))) == 2
    assert "Traceback" not in log


def tables(site: Project) -> set[str]:
    names = sqlite3.connect(site.folder / "db.sqlite3").execute("SELECT name FROM sqlite_master")
    return {name for (name,) in names if name.startswith("agentchat")}


def test_uninstalling_leaves_nothing_on_sqlite(made, migrated):
    site = made()
    shutil.copy(migrated, site.folder)
    assert tables(site)
    site.run(*commands("Uninstall")[0].split()[1:], "--verbosity", "0")
    assert tables(site) == set()
    site.manage("migrate", "--verbosity", "0")
    assert tables(site)


@pytest.mark.services
def test_uninstalling_leaves_nothing_on_postgresql(two_nodes):
    left = """
        SELECT relname FROM pg_class WHERE relname LIKE 'agentchat%'
        UNION SELECT proname FROM pg_proc WHERE proname LIKE 'agentchat%'
    """
    at = {name: two_nodes.environment[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")}
    address = " ".join(
        f"{name[2:].lower().replace('database', 'dbname')}={value}" for name, value in at.items() if value
    )
    with psycopg.connect(address, autocommit=True) as database:
        assert database.execute(left).fetchall()
        two_nodes.run(*commands("Uninstall")[0].split()[1:], "--verbosity", "0")
        assert database.execute(left).fetchall() == []

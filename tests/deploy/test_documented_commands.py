"""docs/deploying.md: its backups can be restored, its queries can be asked, and its variables exist.

The commands are taken from the page, with the page's places exchanged for the test's.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgresql import new_database
from tests.sites import Site

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")


def commands(start: str) -> str:
    """The one shell block, or line, of the page that begins so."""
    [found] = re.findall(rf"^ *```sh\n((?: *){re.escape(start)}.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    return re.sub(r"^ +", "", found, flags=re.MULTILINE)


def run(command: str, **environment: str) -> str:
    done = subprocess.run(
        ["sh", "-euc", command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


MAKE_CHATS = """
from agentchat.models import ChatSession, Run
for number in range(3):
    session = ChatSession.objects.create(agent="weather", title=f"chat {number}")
    session.head = Run.objects.create(session=session, number=1, agent="weather", status="waiting")
    session.save()
"""


def test_a_backup_of_sqlite_can_be_restored_while_the_old_wal_lies_about(empty_database: Path, tmp_path: Path) -> None:
    if not shutil.which("sqlite3"):
        assert not os.environ.get("AGENTCHAT_REQUIRE_SERVICES"), "there is no sqlite3"
        pytest.skip("no sqlite3 on this machine")
    (tmp_path / "data").mkdir()
    site = Site(tmp_path / "data")
    here = {"/srv/chat/data": str(site.database.parent), "sudo -u chat ": "", "sudo systemctl": ": systemctl"}

    def do(start: str) -> None:
        command = commands(start)
        for place, ours in here.items():
            command = command.replace(place, ours)
        run(command)

    shutil.copy(empty_database, site.database)
    site.manage("shell", "-c", MAKE_CHATS)
    do("sudo -u chat sqlite3")
    writer = sqlite3.connect(site.database)
    writer.execute("DELETE FROM agentchat_run")
    writer.commit()  # not closed: its -wal stays, as that of a killed process does
    wal = Path(f"{site.database}-wal").read_bytes()
    writer.close()
    Path(f"{site.database}-wal").write_bytes(wal)
    do("sudo systemctl stop agentchat\nsudo -u chat rm")
    assert site.rows("SELECT count(*) FROM agentchat_run WHERE status = 'waiting'") == [(3,)]
    assert site.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on PostgreSQL with some chats; not started."""
    with new_database() as url:
        site = Site(tmp_path_factory.mktemp("site"), DATABASE_URL=url)
        site.manage("migrate", "--verbosity", "0")
        site.manage("shell", "-c", MAKE_CHATS)
        yield site


@pytest.mark.services
def test_a_dump_of_postgresql_can_be_restored(migrated: Site, tmp_path: Path) -> None:
    if not shutil.which("pg_dump"):
        assert not os.environ.get("AGENTCHAT_REQUIRE_SERVICES"), "there is no pg_dump"
        pytest.skip("no pg_dump on this machine")
    url = migrated.environment["DATABASE_URL"]
    run(f"cd {tmp_path}\n" + commands("pg_dump"), DATABASE_URL=url)
    with new_database() as restored:
        run(f"cd {tmp_path}\n" + commands("pg_restore"), DATABASE_URL=restored)
        for query in ("SELECT * FROM agentchat_run ORDER BY id", "SELECT * FROM agentchat_chatsession ORDER BY id"):
            with psycopg.connect(url) as one, psycopg.connect(restored) as other:
                assert one.execute(query).fetchall() == other.execute(query).fetchall() != []
        migrated.manage("migrate", "--check", DATABASE_URL=restored)


@pytest.mark.services
def test_every_query_on_the_page_can_be_asked(migrated: Site) -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    queries = [query for block in blocks for query in block.split(";\n") if query.strip()]
    assert len(queries) > 4
    with psycopg.connect(migrated.environment["DATABASE_URL"]) as connection:
        for query in queries:
            assert connection.execute(query).description, query


def test_files_that_the_page_installs_are_there() -> None:
    names = set(re.findall(r"deploy/[\w@./-]*\w", PAGE))
    assert len(names) > 8
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []


def test_the_pages_own_anchors_exist() -> None:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [link for link in re.findall(r"\]\(#([^)]+)\)", PAGE) if link not in anchors] == []


def test_the_environment_of_several_machines_is_what_compose_sets() -> None:
    block = commands("DATABASE_URL=postgres://")
    compose = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"^(\w+)=", block, re.MULTILINE):
        assert f"    {name}: " in compose, name

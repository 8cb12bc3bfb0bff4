"""A PostgreSQL cluster of a test's own, which may be stopped, restarted, killed and starved."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.sites import free_port

START_S = 30


def programs() -> Path | None:
    """Where initdb and pg_ctl are; Debian keeps them out of PATH. None if they are not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((each.parent for each in versions), key=lambda bin: float(bin.parent.name), default=None)


class Postgres:
    """One server with its own data folder, on a free loopback port that it keeps. `close()` removes all of it.

    `settings` are those of postgresql.conf, such as `max_connections=12`. The server refuses to be root: then it is
    the user postgres.
    """

    def __init__(self, **settings: object) -> None:
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="agentchat-postgres-"))
        self.log = self.folder / "log"
        self._settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 30,
            **settings,
        }
        found = programs()
        assert found is not None, "PostgreSQL is not installed"
        self._programs = found
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        with (data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._control("start", "-l", self.log, "-t", START_S)

    def stop(self, mode: str = "fast") -> None:
        """Stop it. `fast` ends what is going on, `smart` waits for it, `immediate` is a crash."""
        self._control("stop", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        self._control("restart", "-m", mode, "-l", self.log, "-t", START_S)

    @property
    def is_running(self) -> bool:
        return (self.folder / "data" / "postmaster.pid").exists()

    def close(self) -> None:
        if self.is_running:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, command: str, *arguments: object) -> None:
        self._run("pg_ctl", command, "-w", "-D", self.folder / "data", *arguments)

    def _run(self, program: str, *arguments: object) -> None:
        as_postgres = {}
        if os.geteuid() == 0:
            postgres = pwd.getpwnam("postgres")
            as_postgres = {"user": postgres.pw_uid, "group": postgres.pw_gid, "extra_groups": []}
        # Into a file: what pg_ctl starts keeps these open, so a pipe could not be read to its end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(self._programs / program), *(str(each) for each in arguments)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=2 * START_S,
                check=False,
                **as_postgres,
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode(errors="replace")

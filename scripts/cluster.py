"""Serve the chat on this machine as several machines would: what `make cluster` does once everything is installed.

Two daphne processes, two Celery workers and a load balancer that distributes connections between the daphne processes,
all on loopback, with the PostgreSQL of DATABASE_URL and the Redis of REDIS_URL. `Cluster` starts them, for tests too,
which kill parts of it.

The load balancer, `Front`, is for trying out and for tests. It forwards bytes, so Host and websockets arrive unchanged,
and adds nothing: no TLS, no X-Forwarded-For. docs/deploying.md describes the proxy of a public site.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parent.parent

NODES = ("web-a", "web-b")
WORKERS = ("worker-1", "worker-2")
START_S = 60.0
STOP_S = 20.0  # longer than DRAIN_S
CONNECT_S = 2.0


class Front:
    """Distributes connections between the nodes, round robin; a node that cannot be reached is skipped."""

    def __init__(self, host: str, port: int, nodes: list[int]) -> None:
        self._nodes, self._turn = nodes, 0
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="front", daemon=True)
        self._thread.start()
        self._on_loop(self._listen(host, port))

    def close(self) -> None:
        self._on_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._loop.close()

    def _on_loop(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    async def _listen(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, host, port, backlog=1024)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # one side has disconnected, or this server is closing
        finally:
            self._open.discard(task)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node = await self._connect()
        if node is None:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return await writer.drain()
        from_node, to_node = node
        try:
            both = [
                asyncio.ensure_future(_pass_on(reader, to_node)),
                asyncio.ensure_future(_pass_on(from_node, writer)),
            ]
            try:
                # When a node dies, its clients must be disconnected instead of left hanging, and the other way round.
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            to_node.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for number in range(len(self._nodes)):
            port = self._nodes[(self._turn + number) % len(self._nodes)]
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), CONNECT_S)
        return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(64 * 1024):
            writer.write(some)
            await writer.drain()


class Process:
    """One process of the cluster, which can be restarted after its end. `log` is its output: all, or the last part."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        said: Callable[[str], None],
        log_chars: int | None,
    ) -> None:
        self.name, self.log = name, ""
        self._command, self._environment, self._said, self._log_chars = command, environment, said, log_chars
        self._process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()
        self._life = 0  # where the log of the current start begins

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert not self.is_running, f"{self.name} is running"
        self._life = len(self.log)
        self._process = subprocess.Popen(
            self._command,
            cwd=PROJECT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C goes to the cluster, which stops its parts in order, with one signal each
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._listen, args=(self._process.stdout,), name=self.name, daemon=True).start()

    def _listen(self, output: IO[str]) -> None:
        with output:
            for line in output:
                with self._changed:
                    self._keep(line)
                    self._changed.notify_all()
                self._said(f"{self.name:<8} | {line}")

    def _keep(self, line: str) -> None:
        self.log += line
        if self._log_chars is not None and (surplus := len(self.log) - self._log_chars) > 0:
            self.log = self.log[surplus:]
            self._life = max(0, self._life - surplus)

    def wait_until_said(self, words: str) -> None:
        """Wait until the log since the last start contains this text. Raise RuntimeError at its end or a time-out."""
        deadline = time.monotonic() + START_S
        with self._changed:
            while words not in self.log[self._life :]:
                if not self.is_running:
                    raise RuntimeError(f"{self.name} has ended:\n{self.log[self._life :]}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not say {words!r} in time:\n{self.log[self._life :]}")
                self._changed.wait(0.1)

    def kill(self, number: int = signal.SIGTERM, *, wait: bool = True) -> int | None:
        """Send a signal and, unless `wait` is false, wait for the end. Return the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_S) if wait else None

    def end(self) -> None:
        """Kill the process, even if it is frozen."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()


class Cluster:
    """Two web nodes, two workers, and the load balancer. `start()` all or some; `kill(name)` with any signal.

    `environment` is the complete environment of the processes. `said` is called with every line of every log. The last
    `log_chars` of each log are kept; None keeps all.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        said: Callable[[str], None] = lambda line: None,
        log_chars: int | None = None,
    ) -> None:
        self._host, self._port = host, port or free_port()
        self._ports = {name: self._port + 1 + i if port else free_port() for i, name in enumerate(NODES)}
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._port}"
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self._ports.items()}
        environment = {**environment, "AGENTCHAT_ENGINE": "celery"}
        self.processes = {
            name: Process(name, command, environment, said, log_chars) for name, command in self._commands().items()
        }
        self._front: Front | None = None

    def _commands(self) -> dict[str, list[str]]:
        python = sys.executable
        commands = {}
        for name, port in self._ports.items():
            daphne = ["-m", "daphne", "--bind", "127.0.0.1", "--port", str(port), "--access-log", os.devnull]
            commands[name] = [python, *daphne, "chatsite.asgi:application"]
        for name in WORKERS:
            commands[name] = [python, "-m", "celery", "-A", "chatsite", "worker", "-n", f"{name}@%h"]
        return commands

    def start(self, *names: str) -> None:
        """Start these processes, or all. Return when they answer."""
        for name in names or self.processes:
            self.processes[name].start()
        for name in names or self.processes:
            self.wait_for(name)
        if self._front is None:
            self._front = Front(self._host, self._port, list(self._ports.values()))

    def wait_for(self, name: str) -> None:
        """Wait until it answers requests, or accepts messages. Raise RuntimeError with its log if it does not."""
        process = self.processes[name]
        if name in WORKERS:
            return process.wait_until_said(" ready.")
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.urls[name]}/healthz", timeout=5):
                return
            if not process.is_running or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not answer:\n{process.log}")
            time.sleep(0.05)

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def log(self, name: str) -> str:
        return self.processes[name].log

    def kill(self, name: str, number: int = signal.SIGTERM, *, wait: bool = True) -> int | None:
        return self.processes[name].kill(number, wait=wait)

    def stop(self) -> None:
        """Ask all processes to stop, give them time to drain, and kill those that are still running."""
        running = [process for process in self.processes.values() if process.is_running]
        for process in running:
            process.kill(signal.SIGTERM, wait=False)
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.kill(0)
        self.close()

    def close(self) -> None:
        """Kill everything that is still running, without asking it to stop."""
        if self._front is not None:
            self._front.close()
            self._front = None
        for process in self.processes.values():
            process.end()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the command ----------------------------------------------------------------------------------------------------

DATABASE_URL = "postgres://postgres@127.0.0.1:5432/agentchat"
REDIS_URL = "redis://127.0.0.1:6379/0"
LOG_CHARS = 64 * 1024  # it is printed anyway, and shown again only if a process does not start


def main() -> None:
    sys.path[:0] = [str(PROJECT), str(PROJECT / "scripts")]
    import run  # in the same folder as this file

    os.umask(0o077)  # logs, too, are their owner's
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="8000")
    arguments = parser.parse_args()
    host, port = arguments.host, run.port_of(arguments.port)

    os.chdir(PROJECT)
    for name, value in {"DEBUG": "1", "DATABASE_URL": DATABASE_URL, "REDIS_URL": REDIS_URL}.items():
        os.environ[name] = os.environ.get(name) or value
    os.environ |= {"DJANGO_SETTINGS_MODULE": "chatsite.settings", "AGENTCHAT_ENGINE": "celery"}
    run.check_free(host, port)
    for number in range(len(NODES)):
        run.check_free("127.0.0.1", port + 1 + number)
    check_services()

    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    password = run.make_admin()

    cluster = Cluster(
        os.environ,
        host=host,
        port=port,
        said=lambda line: print(line, end="", flush=True),
        log_chars=LOG_CHARS,
    )
    told_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: told_to_stop.set())
    try:
        cluster.start()
        print(f"\n  Chat   {cluster.url}/\n  Admin  {cluster.url}/admin/")
        if password:
            print(f"         user admin, password {password} (shown only this once)")
        for name, url in cluster.urls.items():
            print(f"  {name}  {url}/")
        print(f"  workers: {', '.join(WORKERS)}\n\n  Ctrl-C stops all of them.\n", flush=True)
        while not told_to_stop.wait(0.5):
            pass
        cluster.stop()
    except RuntimeError as error:
        sys.exit(str(error))
    finally:
        cluster.close()


def check_services() -> None:
    """Exit with a message if the database or Redis is unavailable. Sets Django up."""
    import django
    import redis
    from django.db import connection

    django.setup()
    try:
        # Without the pool, which would retry for some seconds and not report why it failed.
        connection.Database.connect(**connection.get_connection_params()).close()
    except connection.Database.Error as error:
        sys.exit(
            f"The database of DATABASE_URL does not take us in: {str(error).strip()}\n"
            "Start PostgreSQL, make the database if it is missing (createdb -h 127.0.0.1 -U postgres agentchat),\n"
            "or name another one: DATABASE_URL=postgres://user:password@host:5432/name make cluster"
        )
    try:
        redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=CONNECT_S, socket_connect_timeout=CONNECT_S).ping()
    except (redis.RedisError, ValueError) as error:
        sys.exit(
            f"The Redis of REDIS_URL does not answer: {error}\n"
            "Start it (redis-server), or name another one: REDIS_URL=redis://host:6379/0 make cluster"
        )


if __name__ == "__main__":
    main()

"""deploy/haproxy.cfg: by HAProxy's own checker, and at work before real web processes and before made-up ones.

HAProxy is started as an ordinary process on free ports. Only the addresses differ from what is deployed, and they come
from the environment there too.
"""

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.services import standing
from tests.sites import Site, free_port

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "haproxy.cfg"
NAME = "localhost"
WAIT_S = 30.0


@pytest.fixture(scope="module")
def haproxy() -> str:
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return found or standing.missing("haproxy is not installed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "site.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


class Proxy:
    """HAProxy with the deployed configuration."""

    def __init__(self, binary: str, certificate: Path, log: Path, web1: int, web2: int) -> None:
        self.port, self.plain, self.own = free_port(), free_port(), free_port()
        self.origin = f"https://{NAME}:{self.port}"
        self.context = ssl.create_default_context(cafile=str(certificate))
        self._log = log
        environment = {
            **os.environ,
            "SITE": NAME,
            "CERTIFICATE": str(certificate),
            "WEB1": f"127.0.0.1:{web1}",
            "WEB2": f"127.0.0.1:{web2}",
            "MAXCONN": "200",
            "BIND": f"127.0.0.1:{self.port}",
            "PLAIN_BIND": f"127.0.0.1:{self.plain}",
            "OWN_BIND": f"127.0.0.1:{self.own}",
        }
        with log.open("wb") as opened:
            self.process = subprocess.Popen(
                [binary, "-db", "-f", str(CONFIGURATION)], env=environment, stdout=opened, stderr=opened
            )
        self.until(self._answers, "an answer of the proxy")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.own}/healthz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def until(self, holds: Callable[[], object], what: str) -> None:
        deadline, pause = time.monotonic() + WAIT_S, threading.Event()
        while not holds():
            assert time.monotonic() < deadline, f"no {what}: {self._log.read_text()[-3000:]}"
            pause.wait(0.05)

    def state(self, backend: str, server: str) -> str:
        """What the proxy thinks of a server: "UP", "DOWN", or on the way from one to the other."""
        return self._figure(backend, server, "status")

    def until_all_are_up(self) -> None:
        """Wait until each server has passed a check in each backend. Before the first one they only count as up."""

        def is_up(backend: str, server: str) -> bool:
            last_check = self._figure(backend, server, "check_status")
            return self.state(backend, server) == "UP" and last_check.endswith("L7OK")

        places = [(backend, server) for backend in ("ready", "alive", "files") for server in ("web1", "web2")]
        self.until(lambda: all(is_up(*place) for place in places), "two servers that are up")

    def sessions(self, server: str) -> int:
        """How many visitors are connected to it at the moment."""
        return int(self._figure("ready", server, "scur"))

    def _figure(self, backend: str, server: str, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.own}/stats;csv", timeout=5) as answer:
            rows = [line.split(",") for line in answer.read().decode().splitlines()]
        column = rows[0].index(name)
        return next(row[column] for row in rows if row[:2] == [backend, server])

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of the answer to a visitor."""
        connection = http.client.HTTPSConnection(NAME, self.port, context=self.context, timeout=WAIT_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(haproxy: str, certificate: Path, tmp_path: Path) -> Iterator[Callable[[int, int], Proxy]]:
    proxies: list[Proxy] = []

    def start(web1: int, web2: int) -> Proxy:
        proxies.append(proxy := Proxy(haproxy, certificate, tmp_path / "haproxy.log", web1, web2))
        return proxy

    yield start
    for proxy in proxies:
        proxy.close()


# --- the file -------------------------------------------------------------------------------------------------------


def check(haproxy: str, file: Path, certificate: Path) -> subprocess.CompletedProcess[str]:
    names = {"SITE": NAME, "CERTIFICATE": str(certificate), "WEB1": "127.0.0.1:8001", "WEB2": "127.0.0.1:8002"}
    command = [haproxy, "-c", "-f", str(file)]
    return subprocess.run(command, env={**os.environ, **names}, capture_output=True, text=True, check=False)


def test_haproxy_takes_the_file_without_a_warning(haproxy: str, certificate: Path, tmp_path: Path) -> None:
    done = check(haproxy, CONFIGURATION, certificate)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr + done.stdout
    (tmp_path / "wrong.cfg").write_text(CONFIGURATION.read_text().replace("balance leastconn", "balance leastcon"))
    assert check(haproxy, tmp_path / "wrong.cfg", certificate).returncode == 1


# --- before made-up web processes -----------------------------------------------------------------------------------


class Node:
    """A web process that says what it was asked. `ready` and `alive` are its health; `files` are its static files."""

    def __init__(self, name: str) -> None:
        self.name, self.ready, self.alive = name, True, True
        self.files: set[str] = set()
        self.hangs_up = False
        self.asked: list[str] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path in ("/healthz", "/readyz"):
                    return self.answer(200 if (node.ready if self.path == "/readyz" else node.alive) else 503)
                node.asked.append(f"{self.command} {self.path}")
                if node.hangs_up:
                    self.close_connection = True
                    return None
                if self.path.startswith("/static/"):
                    return self.answer(200 if self.path in node.files else 404)
                return self.answer(200)

            do_POST = do_GET

            def answer(self, status: int) -> None:
                body = json.dumps({"node": node.name, "headers": {k.lower(): v for k, v in self.headers.items()}})
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # the proxy hangs up when a health check has its answer

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    pair = Node("one"), Node("two")
    yield pair
    for node in pair:
        node.close()


@pytest.fixture
def proxy(nodes: tuple[Node, Node], start: Callable[[int, int], Proxy]) -> Proxy:
    proxy = start(nodes[0].port, nodes[1].port)
    proxy.until_all_are_up()
    return proxy


def answered_by(proxy: Proxy, path: str = "/") -> str:
    return json.loads(proxy.ask(path)[1])["node"]


def test_no_visitor_is_bound_to_a_node(proxy: Proxy) -> None:
    assert {answered_by(proxy) for _ in range(10)} == {"one", "two"}
    assert "set-cookie" not in {name.lower() for name in proxy.ask("/")[2]}


def test_what_a_visitor_says_about_themselves_is_overwritten(proxy: Proxy) -> None:
    forged = {
        "X_Forwarded_Proto": "http",
        "X_Forwarded_For": "6.6.6.6",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Port": "1",
        "X_Real_IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6;proto=http",
    }
    headers = json.loads(proxy.ask("/", **forged)[1])["headers"]
    assert "6.6.6.6" not in json.dumps(headers)
    assert {name: value for name, value in headers.items() if "forwarded" in name} == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "https",
    }
    assert headers["host"] == f"{NAME}:{proxy.port}"


def test_plain_http_is_sent_to_tls(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=WAIT_S)
    with closing(connection):
        connection.request("GET", "/chat/?a=b", headers={"Host": "chat.example.com"})
        answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (301, "https://chat.example.com/chat/?a=b")


def test_large_bodies_and_those_of_unknown_size_stop_here(proxy: Proxy, nodes: tuple[Node, Node]) -> None:
    assert proxy.ask("/", method="POST", body=b"x" * 1_000_000)[0] == 200
    assert [node.asked for node in nodes].count([]) == 1
    assert proxy.ask("/large/", method="POST", Content_Length="1048577")[0] == 413
    for method in ("POST", "PUT", "GET"):
        assert proxy.ask("/chunked/", method=method, Transfer_Encoding="chunked")[0] == 411
    assert not any("/large/" in line or "/chunked/" in line for node in nodes for line in node.asked)


def test_a_node_that_is_not_ready_gets_no_visitors(proxy: Proxy, nodes: tuple[Node, Node]) -> None:
    nodes[0].ready = False
    proxy.until(lambda: proxy.state("ready", "web1") == "DOWN", "node that is down")
    assert {answered_by(proxy) for _ in range(10)} == {"two"}
    nodes[0].ready = True
    proxy.until_all_are_up()
    assert {answered_by(proxy) for _ in range(10)} == {"one", "two"}


def test_when_none_is_ready_visitors_still_reach_what_is_alive(proxy: Proxy, nodes: tuple[Node, Node]) -> None:
    """The database is down, say. One 503 of the proxy's for everything would hide what the site can still do."""
    nodes[0].ready = nodes[1].ready = nodes[0].alive = False
    proxy.until(lambda: proxy.state("ready", "web1") == proxy.state("ready", "web2") == "DOWN", "nodes that are down")
    proxy.until(lambda: proxy.state("alive", "web1") == "DOWN", "dead node")
    assert {answered_by(proxy) for _ in range(10)} == {"two"}


def test_what_changes_something_is_not_asked_twice(proxy: Proxy, nodes: tuple[Node, Node]) -> None:
    nodes[0].hangs_up = nodes[1].hangs_up = True
    assert proxy.ask("/once/", method="POST", body=b"x")[0] == 502
    assert [line for node in nodes for line in node.asked] == ["POST /once/"]
    nodes[1].hangs_up = False
    assert {answered_by(proxy) for _ in range(4)} == {"two"}
    assert "GET /" in nodes[0].asked


def test_a_file_that_only_one_node_has_is_found_there(proxy: Proxy, nodes: tuple[Node, Node]) -> None:
    """As while nodes are exchanged: the page came from the one, and names files that the other does not know."""
    nodes[1].files.add("/static/main.0123456789ab.js")
    for _ in range(6):
        assert proxy.ask("/static/main.0123456789ab.js")[0] == 200
    assert nodes[0].asked
    assert proxy.ask("/static/nowhere.js")[0] == 404


# --- before real ones -----------------------------------------------------------------------------------------------


class Visitor:
    """A guest with a browser's manners, on the other side of the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy, self._cookies = proxy, CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies), urllib.request.HTTPSHandler(context=proxy.context)
        )

    def new_chat(self, agent: str) -> str:
        self._opener.open(f"{self._proxy.origin}/chat/", timeout=WAIT_S).close()
        token = next(cookie.value for cookie in self._cookies if cookie.name == "csrftoken")
        assert all(cookie.secure for cookie in self._cookies)
        form = urlencode({"agent": agent, "csrfmiddlewaretoken": token}).encode()
        headers = {"Referer": f"{self._proxy.origin}/chat/"}
        request = urllib.request.Request(f"{self._proxy.origin}/chat/", form, headers)
        with self._opener.open(request, timeout=WAIT_S) as answer:
            return answer.url.rstrip("/").rpartition("/")[2]

    @contextmanager
    def watching(self, chat: str, *, origin: str = "", after: int = 0) -> Iterator[ClientConnection]:
        with connect(
            f"{self._proxy.origin.replace('https', 'wss')}/ws/chat/{chat}/",
            ssl=self._proxy.context,
            origin=origin or self._proxy.origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)},
            proxy=None,
            open_timeout=WAIT_S,
        ) as socket:
            socket.send(json.dumps({"type": "hello", "after": after}))
            yield socket


def hear(socket: ClientConnection, type_: str) -> dict[str, object]:
    """The next frame of this type."""
    while (frame := json.loads(socket.recv(timeout=WAIT_S)))["type"] != type_:
        pass
    return frame


@pytest.fixture
def webs(haproxy: str, empty_database: Path, tmp_path: Path) -> Iterator[list[Site]]:
    """Two web processes on one database, as a public site has them."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.moving_site",
        "DEBUG": "0",
        "AGENTCHAT_GUESTS": "1",
        "AGENTCHAT_LEASE_S": "2",
        "ALLOWED_HOSTS": f"{NAME},127.0.0.1",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "SECURE_SSL_REDIRECT": "1",
        "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
        "STATIC_ROOT": str(tmp_path / "static"),
    }
    sites = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sites.append(Site(tmp_path / name, **environment))
    shutil.copy(empty_database, tmp_path / "db.sqlite3")
    sites[0].manage("collectstatic", "--noinput")
    try:
        for site in sites:
            site.start()
        yield sites
    finally:
        for site in sites:
            site.close()


@pytest.mark.slow
def test_a_chat_goes_through_the_proxy_and_on_when_its_web_process_is_killed(
    webs: list[Site], start: Callable[[int, int], Proxy]
) -> None:
    proxy = start(webs[0].port, webs[1].port)
    proxy.until_all_are_up()
    visitor = Visitor(proxy)
    chat = visitor.new_chat("vault")

    for origin in ("https://evil.example", f"http://{NAME}:{proxy.port}", f"https://{NAME}"):
        with pytest.raises(InvalidStatus) as refused, visitor.watching(chat, origin=origin):
            pass
        assert refused.value.response.status_code == 403

    with visitor.watching(chat) as socket:
        say(socket, "send", text="open")
        question = hear(socket, "INPUT_REQUESTED")
        [serving] = [site for site, name in zip(webs, ("web1", "web2"), strict=True) if proxy.sessions(name)]
        serving.stop(signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            hear(socket, "nothing")

    # At once, before the proxy's next look: what the dead one does not take, the other one does.
    with visitor.watching(chat) as socket:
        assert hear(socket, "INPUT_REQUESTED") == question
        say(socket, "answer", request=question["request"], value="4321")
        assert hear(socket, "INPUT_REQUESTED")["prompt"] == "And what for?"
        say(socket, "send", text="gold")
        assert hear(socket, "PRINTED")["text"] == "gold: opened with 1234.\n"
    assert proxy.ask("/healthz")[0] == 200


def say(socket: ClientConnection, type_: str, **fields: object) -> None:
    socket.send(json.dumps({"type": type_, "id": str(uuid.uuid4()), **fields}))

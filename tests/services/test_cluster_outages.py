"""Redis and PostgreSQL are killed, frozen and restarted under a running cluster: all chats go on, and nothing is lost.

Both servers are the tests' own. Redis is everything at once here: the broker, the channel layer and the cache.
"""

import json
import re
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from redis import Redis

from agentchat.testing import ScriptedLLM
from scripts.cluster import NODES, WORKERS
from tests.faults.app import ledger
from tests.faults.killing import Model, assert_nothing_is_lost, shows, states
from tests.services import postgres, standing
from tests.services.cluster import inspect, machines
from tests.services.redis import RedisServer

pytestmark = [pytest.mark.services, pytest.mark.slow]

FROZEN_S = 10  # longer than any time-out between a client and Redis


@pytest.fixture(scope="module")
def llm():
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture(scope="module")
def own_redis():
    if not RedisServer.is_installed():
        standing.missing("redis-server is not installed")
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def own_postgres():
    if postgres.programs() is None:
        standing.missing("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    server = postgres.Postgres(max_connections=100)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, llm, own_redis, own_postgres):
    with machines(
        tmp_path_factory.mktemp("cluster"),
        database_url=own_postgres.url,
        redis_url=own_redis.url,
        AGENTCHAT_LEASE_S="5",
        AGENTCHAT_MAX_RUNS="6",
        AGENTCHAT_MAX_RUNS_PER_OWNER="1000",
        **llm.environment(),
    ) as cluster:
        yield cluster


class Chats:
    """Six chats, each on two pages, one at each node: two in mid-message, two in a tool, two that wait."""

    def __init__(self, cluster, visitor, llm, name):
        self._cluster, self._name = cluster, name
        self._model = Model()
        llm.always(self._model.answer)
        self.here = [visitor.new_chat("postman") for _ in range(6)]
        self.there = [visitor.open(page.session_id, cluster.at("web-b")) for page in self.here]
        self.telling, self.delivering, self.waiting = self.here[:2], self.here[2:4], self.here[4:]
        self.rounds = dict.fromkeys(self.here, 0)

    def send(self, verb, page, *, through=None):
        """Send an errand, through another page of the same chat if one is given. Return its parcel."""
        parcel = f"{self._name}-{self.here.index(page)}-{self.rounds[page]}"
        self.rounds[page] += 1
        (through or page).send(f"{verb} {parcel}")
        return parcel

    def tell(self, page):
        """Let a story stop in its middle, and wait until both pages show that much."""
        self._model.hold(f"{self._name}-{self.here.index(page)}-{self.rounds[page]}", pieces=9)
        parcel = self.send("tell", page)
        for each in (page, self.there[self.here.index(page)]):
            each.wait_until(
                lambda each=each: (text := self._model.said_of(parcel)) and shows(each, text), "text so far"
            )

    def begin(self, doors, eventually):
        """Bring all of them to where they are to be."""
        for page in self.waiting:
            self.send("deliver", page)
        for page in self.telling:
            self.tell(page)
        for page in self.delivering:
            parcel = f"{self._name}-{self.here.index(page)}-{self.rounds[page]}"
            doors.enter_context(ledger.shut_door(self._cluster.folder, parcel))
            self.send("deliver", page)
            eventually(lambda parcel=parcel: ledger.read(self._cluster.folder)[f"deliver {parcel}"])
        for page in self.waiting:
            self.until_asked(page)

    def until_asked(self, page):
        """Wait until what was sent last is done, as this page sees it."""
        page.wait_for("INPUT_REQUESTED", kind="text", count=self.rounds[page])

    def go_on(self):
        """Let the stories go on."""
        self._model.stop_nowhere()

    def end(self):
        """Wait for the end of all errands, and compare everything."""
        self.go_on()
        for page in self.here:
            self.until_asked(page)
        done = ledger.read(self._cluster.folder)
        assert {times for line, times in done.items() if f" {self._name}-" in line} == {1}, done
        assert states(self._cluster, self.here) == {"waiting": len(self.here)}
        for page in (*self.here, *self.there):
            stored = len(self._cluster.events(page.session_id))
            page.wait_until(lambda page=page, stored=stored: len(page.events) == stored, "the last fact")
            assert_nothing_is_lost(page, self._cluster, from_afar=True)
            assert not page.rejected


@pytest.fixture
def chats(cluster, guest, llm, request):
    def decide(page, question):
        return {"decision": "reject"} if question.get("unsure") else None

    name = re.sub(r"\W", "-", request.node.name.removeprefix("test_"))
    yield Chats(cluster, guest(cluster.at("web-a"), decide), llm, name)
    for each in cluster.processes.values():
        assert each.is_running, f"{each.name} did not outlive it: {each.log[-4000:]}"


def readiness(cluster, node):
    """What the node says of its parts; nothing if it has not answered in time."""
    try:
        with urllib.request.urlopen(f"{cluster.urls[node]}/readyz", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
    except OSError:
        return {}


def all_say(cluster, part, what):
    return lambda: all(readiness(cluster, node).get(part) == what for node in NODES)


def messages_taken(cluster):
    """How many messages about runs the workers have taken so far. Fails if one of them answers no question."""
    answers = json.loads(inspect(cluster, "stats", *WORKERS))
    return sum(each["total"].get("agentchat.advance_run", 0) for each in answers.values())


def assert_that_it_is_used_again(cluster, chats, redis_url, eventually):
    """Deltas come to both nodes again, at once; both nodes send messages about runs, and workers take them."""
    with Redis.from_url(redis_url, socket_timeout=5) as client:
        eventually(lambda: client.llen(f"{cluster.prefix}.agentchat") == 0)  # what was sent in the outage
    before = messages_taken(cluster)
    at_node_a, at_node_b = chats.waiting
    chats.tell(at_node_a)
    chats.send("deliver", at_node_b, through=chats.there[chats.here.index(at_node_b)])
    eventually(lambda: messages_taken(cluster) >= before + 2)
    chats.go_on()


def test_redis_is_killed_in_mid_stream_and_comes_back_empty(cluster, chats, own_redis, eventually):
    with ExitStack() as doors:
        chats.begin(doors, eventually)
        own_redis.kill()
        eventually(all_say(cluster, "layer", "Redis does not answer"))
        for page in chats.waiting:
            chats.send("deliver", page)
        for page in chats.waiting:
            chats.until_asked(page)  # workers poll for runs, and nodes for events
        own_redis.start()
        eventually(all_say(cluster, "layer", True))
        eventually(all_say(cluster, "broker", True))
    chats.end()
    assert_that_it_is_used_again(cluster, chats, own_redis.url, eventually)
    chats.end()
    assert {page.connections for page in (*chats.here, *chats.there)} == {1}


def test_redis_is_frozen_for_ten_seconds(cluster, chats, own_redis, eventually):
    with ExitStack() as doors:
        chats.begin(doors, eventually)
        begun = time.monotonic()
        own_redis.freeze()
        try:
            for page in chats.waiting:
                chats.send("deliver", page)
            chats.go_on()
            for page in (*chats.waiting, *chats.telling):
                chats.until_asked(page)
            while time.monotonic() < begun + FROZEN_S:
                time.sleep(0.1)
        finally:
            own_redis.thaw()
        eventually(all_say(cluster, "layer", True))
    chats.end()
    assert_that_it_is_used_again(cluster, chats, own_redis.url, eventually)
    chats.end()
    assert {page.connections for page in (*chats.here, *chats.there)} == {1}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_is_restarted_in_mid_run(cluster, chats, own_postgres, eventually, mode):
    """`immediate` is a crash: no client is told, and it recovers from its log."""
    with ExitStack() as doors:
        chats.begin(doors, eventually)
        own_postgres.stop(mode)
        chats.go_on()  # what the model says now cannot be saved
    own_postgres.start()
    for page in chats.waiting:
        chats.send("deliver", page)
    chats.end()

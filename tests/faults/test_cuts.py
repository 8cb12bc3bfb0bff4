"""A run that is cut off anywhere, any number of times, emits the same events as one that was not.

A process can die between two of its transactions, or in one, which is then undone. So these tests count the
transactions of a run over all its lives, and let the process die in some of them or right after: what was begun is
abandoned, and the next life has a higher epoch. Random scripts print, ask, call models and tools, and take own steps.
"""

import asyncio
import json
import os
import threading
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as many_times
from hypothesis import strategies as st
from pydantic import BaseModel

from agentchat import ConversableAgent, UserProxyAgent, llm_config, owner, register_function
from agentchat.actions import messages
from agentchat.core import registry
from agentchat.infra import loop_scope
from agentchat.infra.thread_pool import DaemonPool, in_thread
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.runs import leases, transactions
from agentchat.runs.active_runs import ActiveRuns
from agentchat.runs.execution import execute
from agentchat.testing import Scripted, say
from agentchat.visitors import Visitor

pytestmark = pytest.mark.timeout(300)

# --- scripts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Print:
    words: str


@dataclass(frozen=True)
class Ask:
    prompt: str


@dataclass(frozen=True)
class Fill:
    """The user fills in a form."""

    prompt: str


@dataclass(frozen=True)
class Own:
    name: str


@dataclass(frozen=True)
class Errand:
    """A model is asked, calls these tools in one message, and says what came of it."""

    tools: tuple[str, ...] = ()


WORDS = st.text("abc ä\n", min_size=1, max_size=12)
ACTS = st.one_of(
    st.builds(Print, WORDS),
    st.builds(Ask, WORDS),
    st.builds(Fill, WORDS),
    st.builds(Own, st.sampled_from(["draw", "look up"])),
    st.builds(Errand, st.lists(st.sampled_from(["look", "deliver", "pay"]), max_size=3).map(tuple)),
)
SCRIPTS = st.lists(ACTS, min_size=1, max_size=5)
CUTS = st.dictionaries(st.integers(1, 30), st.sampled_from(["within", "after"]), min_size=1, max_size=8)
EVERYTHING = [
    Print("one"),
    Own("draw"),
    Errand(("look", "deliver", "pay")),
    Ask("Well?"),
    Errand(),
    Fill("What is it?"),
    Print("two"),
]


class Parcel(BaseModel):
    contents: str
    weight: int


def answer(request: dict[str, Any]) -> Scripted:
    """The model's part, the same whenever it is asked the same."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return say(f"It is done: {last['content']} TERMINATE")
    number, *tools = json.loads(last["content"])
    reply = say("Let me see." if tools else "There is nothing to do. TERMINATE")
    for place, tool in enumerate(tools):
        reply.and_call(tool, what=f"{number}.{place}")
    return reply


# --- executions and deaths ------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """When the process dies: in these transactions of the run, or right after them; counted over all executions."""

    cuts: dict[int, str] = field(default_factory=dict)
    transactions: int = 0
    is_dead: bool = False
    deaths: int = 0
    effects: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def locked(self, *ids, **gone):
        """`transactions.lock_session_of`, mortal."""
        with self._lock:
            self._check()
            self.transactions += 1
            cut = self.cuts.get(self.transactions)
        with LOCKED(*ids, **gone) as run:
            yield run
            self._die_if(cut == "within")
        self._die_if(cut == "after")

    def _die_if(self, now: bool) -> None:
        if now:
            self.is_dead = True
            self.deaths += 1
        self._check()

    def _check(self) -> None:
        if self.is_dead:
            raise Killed


LOCKED = transactions.lock_session_of


class Stage:
    """Plays scripts in runs, execution after execution."""

    def __init__(self, loop: asyncio.Runner, patch: pytest.MonkeyPatch) -> None:
        self._loop, self._patch = loop, patch
        self._threads = DaemonPool("agentchat-cut", lambda: 4)  # a thread keeps the settings of its first database
        self._script: list[Any] = []
        self._fate = Fate()

    def play(self, script: list[Any], cuts: dict[int, str] | None = None, *, run_again: bool = True) -> "Played":
        """Play a script to its end. `run_again` is the user's answer about a tool that may or may not have run."""
        self._script, self._fate = script, Fate(cuts or {})
        self._patch.setattr(transactions, "lock_session_of", self._fate.locked)
        visitor = Visitor(guest_key=uuid.uuid4().hex)
        session = ChatSession.objects.create(agent="script", **visitor.owner_fields)
        person = Person(session, visitor, run_again=run_again)
        person.send("Good morning")
        while (run := Run.objects.get(session=session)).status in Run.LIVE:
            if run.status == Run.Status.WAITING:
                person.answer()
            else:
                self._live(run)
        return Played(session, self._fate)

    def _live(self, run: Run) -> None:
        """One execution of the run, to its next question, its end or its death."""
        Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        claim = leases.claim(run.pk)
        assert claim is not None
        self._fate.is_dead = False
        self._patch.setattr(loop_scope, "_current", None)  # what the process before had in memory is gone
        try:
            self._loop.run(in_thread(self._threads, execute)(claim, ActiveRuns()))
        except Killed:
            assert self._fate.is_dead

    def script(self, stream) -> None:
        """The agent function."""
        clerk = ConversableAgent("clerk", llm_config=llm_config())
        customer = UserProxyAgent(
            "customer",
            human_input_mode="NEVER",
            is_termination_msg=lambda message: "TERMINATE" in (message["content"] or ""),
        )
        register_function(self.look, caller=clerk, executor=customer, retry_safe=True)
        register_function(self.deliver, caller=clerk, executor=customer, outcome_unknown_to=owner())
        register_function(self.pay, caller=clerk, executor=customer, approval=True, outcome_unknown_to=owner())
        stream.input()
        for number, act in enumerate(self._script):
            match act:
                case Print(words):
                    stream.print(words)
                case Ask(prompt):
                    stream.print("You said", stream.input(prompt))
                case Fill(prompt):
                    stream.print("It is", stream.ask(prompt, Parcel))
                case Own(name):
                    stream.print("It is", stream.step(name, lambda number=number: {"number": number}))
                case Errand(tools):
                    customer.initiate_chat(clerk, message=json.dumps([number, *tools]))

    def look(self, what: str) -> str:
        """Look something up, as often as one likes."""
        return f"looked at {what}"

    def deliver(self, what: str) -> str:
        """Deliver something, once."""
        self._fate.effects[f"deliver {what}"] += 1
        return f"delivered {what}"

    def pay(self, what: str) -> str:
        """Pay for something, once, if the user approves."""
        self._fate.effects[f"pay {what}"] += 1
        return f"paid {what}"


@dataclass
class Person:
    """Answers whatever is asked; always the same to the same question."""

    session: ChatSession
    visitor: Visitor
    run_again: bool
    said: int = 0

    def _next_id(self) -> uuid.UUID:
        self.said += 1
        return uuid.uuid5(uuid.NAMESPACE_URL, str(self.said))

    def send(self, text: str) -> None:
        messages.send(self.session.pk, self.visitor, client_id=self._next_id(), text=text)

    def answer(self) -> None:
        asked = Event.objects.filter(session=self.session, type="INPUT_REQUESTED").order_by("-seq")[0].payload
        if asked["kind"] == "text":
            self.send(f"answer {self.said}")
            return
        if asked["kind"] == "form":
            value: dict[str, Any] = {"contents": f"thing {asked['request']}", "weight": 3}
        else:
            value = {"decision": "approve" if self.run_again or not asked.get("unsure") else "reject"}
        messages.answer(self.session.pk, self.visitor, client_id=uuid.uuid4(), request=asked["request"], value=value)


@dataclass
class Played:
    """What is left of a run."""

    session: ChatSession
    fate: Fate

    @property
    def run(self) -> Run:
        return Run.objects.get(session=self.session)

    @property
    def facts(self) -> list[tuple[Any, ...]]:
        """The events, with ids and origins; without the question about a tool that a death adds, and without durations.

        Results of tools that ran at the same time come in any order: here in that of the calls.
        """
        events = list(Event.objects.filter(session=self.session).order_by("seq"))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        outcome_unknown = {event.payload["request"] for event in events if event.payload.get("unsure")}
        told: list[tuple[Any, ...]] = []
        results: list[tuple[Any, ...]] = []
        for event in events:
            if event.payload.get("request") in outcome_unknown:
                continue
            payload = json.loads(json.dumps(event.payload).replace(str(self.session.pk), "session"))
            payload.pop("durationMs", None)
            fact = (event.type, event.step_number, event.ordinal, payload)
            if event.type == "TOOL_CALL_RESULT":
                results.append(fact)
            else:
                told += [*sorted(results, key=lambda result: result[1]), fact]
                results = []
        return told

    @property
    def asked_about(self) -> Counter[int]:
        """How often the user was asked whether a tool should run again, by its step."""
        events = Event.objects.filter(session=self.session, payload__unsure=True)
        return Counter(events.values_list("step_number", flat=True))

    @property
    def journal(self) -> list[tuple[Any, ...]]:
        steps = Step.objects.filter(run__session=self.session).order_by("number")
        return [(step.number, step.kind, step.name, step.status) for step in steps]


@pytest.fixture
def stage(transactional_db, scripted_llm, monkeypatch, settings):
    # With so few steps, the user is asked now and then whether the run may go on.
    settings.AGENTCHAT = {"MESSAGES_PER_MINUTE": 10_000, "MAX_STEPS": 6}
    scripted_llm.always(answer)
    with asyncio.Runner() as loop:
        stage = Stage(loop, monkeypatch)
        registry.on_connect("script")(stage.script)
        yield stage
        registry.unregister("script")


# --- claims ---------------------------------------------------------------------------------------------------------

many = many_times(
    max_examples=int(os.environ.get("TEST_EXAMPLES", "40")),
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what fails is short already
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@many
@given(script=SCRIPTS, cuts=CUTS)
def test_a_run_that_was_cut_off_emits_what_an_uncut_one_emits(stage, script, cuts):
    uncut = stage.play(script)
    assert uncut.run.status == Run.Status.FINISHED
    cut = stage.play(script, cuts)
    assert cut.facts == uncut.facts
    assert cut.journal == uncut.journal


@many
@given(script=SCRIPTS, cuts=CUTS)
def test_no_tool_takes_effect_twice_without_the_users_consent(stage, script, cuts):
    cut = stage.play(script, cuts, run_again=False)
    assert cut.run.status == Run.Status.FINISHED
    assert set(cut.fate.effects.values()) <= {1}


def each_cut(transactions):
    return [{number: where} for number in range(1, transactions + 1) for where in ("within", "after")]


def test_a_run_may_be_cut_off_in_each_of_its_transactions_and_after_it(stage):
    uncut = stage.play(EVERYTHING)
    assert uncut.fate.transactions > 20
    for where in each_cut(uncut.fate.transactions):
        cut = stage.play(EVERYTHING, where)
        assert cut.fate.deaths == 1
        assert cut.facts == uncut.facts, where
        assert cut.journal == uncut.journal
        assert set(cut.asked_about.values()) <= {1}, "the person was asked twice about one death"


def test_a_tool_takes_effect_once_wherever_the_run_is_cut_off(stage):
    uncut = stage.play([Errand(("deliver", "pay"))])
    for where in each_cut(uncut.fate.transactions):
        cut = stage.play([Errand(("deliver", "pay"))], where, run_again=False)
        assert set(cut.fate.effects.values()) <= {1}, where
        if not cut.asked_about:
            assert cut.fate.effects == uncut.fate.effects, where

"""Traces and metrics: what is made is emitted once, with names of the conventions, and without a word of the chat."""

import os
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.apps import _observe
from agentchat.core import observing
from agentchat.errors import ConfigError, DatabaseUnavailable, LLMError
from agentchat.llm.config_entries import entries_of
from agentchat.runs.runner import runner
from agentchat.telemetry import genai
from agentchat.testing import call, fail, say
from tests.runs.test_runs import eventually
from tests.sites import free_port
from tests.test_project.test_docs import ROOT, blocks

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "CANARY-words-of-the-chat"


class Seen:
    def __init__(self):
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.observer = genai.GenAIObserver(tracers, MeterProvider([self.reader]))

    @property
    def spans(self):
        """Those that have ended, in the order in which they began."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def points(self, metric):
        read = self.reader.get_metrics_data()
        metrics = [
            each for resource in read.resource_metrics for scope in resource.scope_metrics for each in scope.metrics
        ]
        return [
            (dict(point.attributes), point)
            for each in metrics
            if each.name == metric
            for point in each.data.data_points
        ]


@pytest.fixture
def seen(monkeypatch):
    seen = Seen()
    monkeypatch.setattr(observing, "observer", seen.observer)
    return seen


def stock(article: str) -> int:
    """How many we have."""
    if article == "table":
        raise RuntimeError(SECRET)
    return 4


def clerk(**more):
    return ConversableAgent("clerk", f"You sell chairs. {SECRET}", llm_config=llm_config(**{"max_retries": 0, **more}))


def parent_of(span, spans):
    return next((each.name for each in spans if span.parent and each.context.span_id == span.parent.span_id), None)


def all_have_ended(seen):
    eventually(lambda: not runner.active.claims)
    return seen.spans


def test_a_turn_is_a_tree_of_spans_by_the_conventions(agent_function, agent_chat, scripted_llm, seen):
    def shop(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(temperature=0.5), tools=[stock])
        iostream.step("note", lambda: SECRET)

    scripted_llm.replies(call("stock", article="chair"), say(SECRET, usage=(30, 7)))
    chat = agent_chat(agent_function(shop, "shop"))
    chat.send(SECRET)
    chat.wait_for("RUN_FINISHED")
    spans = all_have_ended(seen)
    assert [(span.name, parent_of(span, spans)) for span in spans] == [
        ("invoke_agent shop", None),
        ("step clerk", "invoke_agent shop"),
        ("chat scripted", "step clerk"),
        ("execute_tool stock", "invoke_agent shop"),
        ("step clerk", "invoke_agent shop"),
        ("chat scripted", "step clerk"),
        ("step note", "invoke_agent shop"),
    ]
    run, _, _, tool, _, chat_span, _ = spans
    id = str(chat.session.pk)
    assert dict(run.attributes) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "agentchat",
        "gen_ai.agent.name": "shop",
        "gen_ai.conversation.id": id,
        "agentchat.run": 1,
        "agentchat.execution": 1,
        "agentchat.status": "finished",
    }
    assert dict(tool.attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "stock",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": chat.wait_for("TOOL_CALL_RESULT")["toolCallId"],
        "agentchat.step": 3,
        "agentchat.step.kind": "tool",
    }
    port = int(scripted_llm.base_url.split(":")[2].split("/")[0])
    assert dict(chat_span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "generic",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.conversation.id": id,
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 7,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert chat_span.kind is SpanKind.CLIENT
    assert {span.kind for span in spans} == {SpanKind.CLIENT, SpanKind.INTERNAL}
    assert SECRET not in "".join(span.to_json() for span in spans)
    assert {span.instrumentation_scope.schema_url for span in spans} == {"https://opentelemetry.io/schemas/1.41.0"}
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {name for span in spans for name in span.attributes if name.startswith("gen_ai.")} <= known


def test_what_a_run_takes_from_its_journal_is_linked_and_not_emitted_again(
    agent_function, agent_chat, scripted_llm, seen
):
    def shop(iostream):
        agent = clerk()
        for _ in range(2):
            iostream.input()
            agentchat.reply(iostream, agent, tools=[stock])

    scripted_llm.replies(call("stock", article="chair"), say("We have 4."), say("Fine."), say("Other"))
    chat = agent_chat(agent_function(shop, "shop"))
    chat.send("Any chairs?")
    chat.wait_for("INPUT_REQUESTED")
    eventually(lambda: len(seen.named("invoke_agent shop")) == 1)
    chat.send("Thanks")
    chat.wait_for("RUN_FINISHED")
    all_have_ended(seen)
    first, second = seen.named("invoke_agent shop")
    assert (first.attributes["agentchat.status"], first.attributes["agentchat.execution"]) == ("unfinished", 1)
    assert (second.attributes["agentchat.status"], second.attributes["agentchat.execution"]) == ("finished", 2)
    assert first.context.trace_id != second.context.trace_id
    assert first.links == ()
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert len(seen.named("chat scripted")) == 3
    assert len(seen.named("execute_tool stock")) == 1
    chat.retry(_last_answer(chat))
    chat.wait_for("RUN_FINISHED", count=2)
    all_have_ended(seen)
    branch = seen.named("invoke_agent shop")[2]
    assert [link.context.span_id for link in branch.links] == [second.context.span_id]
    assert len(seen.named("chat scripted")) == 4


def _last_answer(chat):
    return [frame["messageId"] for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_END"][-1]


def test_failures_have_their_codes_and_waits_are_none(agent_function, agent_chat, scripted_llm, seen):
    def shop(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(max_retries=1), tools=[stock])
        try:
            agentchat.reply(iostream, clerk())
        except LLMError:
            raise ValueError(SECRET) from None

    scripted_llm.replies(fail(429), call("stock", article="table"), say("None."), fail(401))
    chat = agent_chat(agent_function(shop, "shop"))
    chat.send("Any tables?")
    chat.wait_for("RUN_ERROR")
    spans = all_have_ended(seen)
    calls = seen.named("chat scripted")
    assert [span.attributes.get("error.type") for span in calls] == ["llm_rate_limited", None, None, "llm_auth"]
    assert calls[0].status.status_code is StatusCode.ERROR
    [tool] = seen.named("execute_tool stock")
    assert tool.attributes["error.type"] == "tool_error"
    [run] = seen.named("invoke_agent shop")
    assert (run.attributes["agentchat.status"], run.attributes["error.type"]) == ("failed", "error")
    assert SECRET not in "".join(span.to_json() for span in spans)


def test_metrics_count_tokens_durations_and_ends(agent_function, agent_chat, scripted_llm, seen):
    def shop(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[stock])

    scripted_llm.replies(call("stock", article="chair"), say("We have 4.", usage=(30, 7)))
    chat = agent_chat(agent_function(shop, "shop"))
    chat.send("Any chairs?")
    chat.wait_for("RUN_FINISHED")
    all_have_ended(seen)
    tokens = {attributes["gen_ai.token.type"]: point for attributes, point in seen.points("gen_ai.client.token.usage")}
    assert (tokens["input"].count, tokens["output"].count) == (2, 2)
    assert tokens["output"].explicit_bounds[:3] == (1, 4, 16)
    durations = seen.points("gen_ai.client.operation.duration")
    assert {attributes["gen_ai.operation.name"]: point.count for attributes, point in durations} == {
        "chat": 2,
        "execute_tool": 1,
        "invoke_agent": 1,
    }
    assert all(0 < point.sum < 20 for _, point in durations)
    [(attributes, ended)] = seen.points("agentchat.runs.ended")
    assert (attributes, ended.value) == ({"gen_ai.agent.name": "shop", "agentchat.status": "finished"}, 1)
    assert [point.value for _, point in seen.points("agentchat.executions.active")] == [0]
    names = {value for name, value in vars(gen_ai_metrics).items() if name.startswith("GEN_AI_")}
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"} <= names


def test_no_run_depends_on_its_traces(agent_function, agent_chat, seen, monkeypatch, caplog):
    def unavailable(work, *, timeout):
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(genai, "retry_transaction", unavailable)
    chat = agent_chat(agent_function(lambda iostream: iostream.post(iostream.input()), "shop"))
    chat.send("Hello")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert "a trace is not linked to the one before: away" in caplog.text


@pytest.mark.parametrize(
    ("entry", "provider"),
    [
        ({"model": "gpt-5.4-mini", "api_key": "sk-x"}, "openai"),
        ({"model": "m", "api_key": "sk-x", "base_url": "https://api.mistral.ai/v1"}, "mistral_ai"),
        (
            {
                "model": "m",
                "api_key": "k",
                "api_type": "azure",
                "base_url": "https://a.openai.azure.com",
                "api_version": "1",
            },
            "azure.ai.openai",
        ),
        ({"model": "m", "base_url": "http://127.0.0.1:11434/v1"}, "ollama"),
        ({"model": "demo", "api_type": "demo"}, "demo"),
    ],
)
def test_a_service_has_the_name_of_the_conventions(entry, provider):
    [made] = entries_of({"config_list": [entry]})
    assert genai.provider_of(made) == provider


def test_the_page_about_it_sets_up_an_exporter_and_prometheus(
    agent_function, agent_chat, scripted_llm, monkeypatch, request
):
    given = {}
    monkeypatch.setattr(trace, "set_tracer_provider", lambda provider: given.update(tracers=provider))
    monkeypatch.setattr(metrics, "set_meter_provider", lambda provider: given.update(meters=provider))
    names = {}
    for _, block in blocks(ROOT / "docs" / "observing.md", "python"):
        exec(block, names)
    exporter = InMemorySpanExporter()
    tracers = names["export_traces"](exporter)
    server, thread = names["export_metrics"](port := free_port())
    request.addfinalizer(lambda: (server.shutdown(), server.server_close(), thread.join()))
    request.addfinalizer(lambda: (given["meters"].shutdown(), tracers.shutdown()))
    monkeypatch.setattr(observing, "observer", genai.GenAIObserver(given["tracers"], given["meters"]))
    scripted_llm.replies(say("Fine.", usage=(30, 7)))

    def shop(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk())

    chat = agent_chat(agent_function(shop, "shop"))
    chat.send("Hello")
    chat.wait_for("RUN_FINISHED")
    eventually(lambda: not runner.active.claims)
    tracers.force_flush()
    assert [span.resource.attributes["service.name"] for span in exporter.get_finished_spans()] == ["chat"] * 3
    with urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()
    [line] = [line for line in text.splitlines() if "token_usage_sum" in line and 'gen_ai_token_type="input"' in line]
    assert line.endswith(" 30.0")
    assert 'agentchat_runs_ended_total{agentchat_status="finished"' in text


# --- off -------------------------------------------------------------------------------------------------------------


def test_where_it_is_off_nothing_of_it_is_imported():
    program = (
        "import sys, django; django.setup(); import agentchat.server, agentchat.llm.client; "
        "ours = ('opentelemetry', 'prometheus', 'agentchat.telemetry.g'); "
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert found.stdout.strip() == "[]"


def test_without_its_package_the_setting_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "agentchat.telemetry.genai")
    with pytest.raises(ConfigError, match=r"pip install 'agentchat\[opentelemetry\]'"):
        _observe(True)
    assert observing.observer is None


def test_where_it_is_off_it_takes_less_than_a_hundredth_of_a_turn(
    agent_function, agent_chat, scripted_llm, monkeypatch, untraced
):
    """What the seam costs as often as a turn passes it, measured in the same run as the turn."""
    passed = []
    for name in ("execution", "step", "model_call"):
        monkeypatch.setattr(observing, name, _counted(getattr(observing, name), passed))

    def shop(iostream):
        agent = clerk()
        while True:
            iostream.input()
            agentchat.reply(iostream, agent)

    scripted_llm.always(say("Fine."))
    chat = agent_chat(agent_function(shop, "shop"))
    turns = []
    for turn in range(1, 4):
        passed.clear()
        started = time.perf_counter()
        chat.send("Hello")
        chat.wait_for("INPUT_REQUESTED", count=turn)
        turns.append(time.perf_counter() - started)
    assert len(passed) == 3  # an execution, a step and a request
    monkeypatch.undo()
    started = time.perf_counter()
    for _ in range(1000):
        with observing.step("llm", "clerk", 1, dict) as report:
            report(None)
    each = (time.perf_counter() - started) / 1000
    assert 3 * each < min(turns) / 100


def _counted(function, passed):
    def counted(*args):
        passed.append(function.__name__)
        return function(*args)

    return counted

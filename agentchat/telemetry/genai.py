"""Traces and metrics by OpenTelemetry's conventions for generative AI, version 1.41.0. Emitted here and nowhere else.

An execution of a run is a span, with one for each step that it makes, and within those one for each request to a model
and each call of a tool. A run that resumes is another trace, which links to the execution before; what it takes from
its journal is not emitted again. No text of a chat is in them: neither messages nor arguments.

Only the API is used here. Which SDK there is, what is sampled and where it goes is up to the site's own providers.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agentchat.core.log import get_logger
from agentchat.core.observing import Report
from agentchat.errors import AgentChatError, RunInterrupt
from agentchat.infra.database import in_background, lock_timeout, retry_transaction
from agentchat.llm.profiles import profile_for
from agentchat.llm.response import ModelResponse
from agentchat.models import Run

logger = get_logger("agentchat.telemetry")

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
DATABASE_TIMEOUT_SECONDS = 1.0

SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
TOKENS = [4.0**power for power in range(14)]

# The conventions' names of services, where they differ from those of our profiles.
_PROVIDERS = {"azure": "azure.ai.openai", "mistral": "mistral_ai", "gemini": "gcp.gemini", "kimi": "moonshot_ai"}
_PARAMETERS = ("frequency_penalty", "max_tokens", "presence_penalty", "seed", "temperature", "top_p")

_chat: ContextVar[str] = ContextVar("agentchat_observed_chat", default="")
_propagator = TraceContextTextMapPropagator()


class GenAIObserver:
    """See `core.observing.Observer`. The providers are the global ones, as a rule; they may be set later."""

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        ours = _our_version()
        self._tracer = trace.get_tracer("agentchat", ours, tracer_provider, schema_url=SCHEMA_URL)
        meter = metrics.get_meter("agentchat", ours, meter_provider, schema_url=SCHEMA_URL)
        self._durations = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )
        self._active = meter.create_up_down_counter(
            "agentchat.executions.active", unit="{execution}", description="Executions of runs in this process."
        )
        self._ended = meter.create_counter("agentchat.runs.ended", unit="{run}", description="Runs that have ended.")

    @contextmanager
    def execution(self, claim: Any) -> Iterator[Report]:
        agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": claim.agent}
        token = _chat.set(str(claim.session_id))
        started = perf_counter()
        self._active.add(1, {"gen_ai.agent.name": claim.agent})
        try:
            with self._span(
                f"invoke_agent {claim.agent}",
                {
                    **agent,
                    "gen_ai.provider.name": "agentchat",
                    "gen_ai.conversation.id": str(claim.session_id),
                    "agentchat.run": claim.number,
                    "agentchat.execution": claim.epoch,
                },
                links=_links(claim),
            ) as span:
                _remember(claim, span)
                span.set_attribute("agentchat.status", "unfinished")  # it waits, or goes on elsewhere

                def report(outcome: tuple[str, str]) -> None:
                    status, code = outcome
                    span.set_attribute("agentchat.status", status)
                    if code:
                        _fail(span, code)
                    self._ended.add(1, {"gen_ai.agent.name": claim.agent, "agentchat.status": status})

                yield report
        finally:
            self._active.add(-1, {"gen_ai.agent.name": claim.agent})
            self._durations.record(perf_counter() - started, agent)
            _chat.reset(token)

    @contextmanager
    def step(self, kind: str, name: str, number: int, request: Callable[[], Any]) -> Iterator[Report]:
        attributes: dict[str, Any] = {"agentchat.step": number, "agentchat.step.kind": kind}
        if kind != "tool":
            with self._span(f"step {name}", attributes):
                yield _ignore
            return
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        attributes |= {
            **tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": str(dict(request()).get("tool_call_id", "")),
        }
        started, failed = perf_counter(), {"error.type": "tool_error"}
        with self._span(f"execute_tool {name}", attributes) as span:

            def report(result: Mapping[str, Any]) -> None:
                if result.get("ok", True):
                    failed.clear()
                else:
                    _fail(span, "tool_error")

            try:
                yield report
            finally:
                self._durations.record(perf_counter() - started, {**tool, **failed})

    @contextmanager
    def model_call(self, entry: Any, body: Mapping[str, Any]) -> Iterator[Report]:
        operation = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider_of(entry)}
        operation["gen_ai.request.model"] = entry.model
        where = _server_of(entry)
        given = {
            f"gen_ai.request.{name}": body[name] for name in _PARAMETERS if isinstance(body.get(name), int | float)
        }
        chat = {"gen_ai.conversation.id": _chat.get()} if _chat.get() else {}
        started, seen = perf_counter(), dict[str, Any](operation)
        with self._span(f"chat {entry.model}", {**operation, **where, **given, **chat}, kind=SpanKind.CLIENT) as span:

            def report(outcome: Any) -> None:
                if not isinstance(outcome, ModelResponse):
                    seen["error.type"] = outcome.error.code
                    _fail(span, outcome.error.code)
                    return
                seen["gen_ai.response.model"] = outcome.model
                span.set_attributes(
                    {
                        "gen_ai.response.model": outcome.model,
                        "gen_ai.response.finish_reasons": [outcome.finish_reason],
                        "gen_ai.usage.input_tokens": outcome.prompt_tokens,
                        "gen_ai.usage.output_tokens": outcome.completion_tokens,
                    }
                )
                if outcome.prompt_tokens or outcome.completion_tokens:  # else the service does not report them
                    self._tokens.record(outcome.prompt_tokens, {**seen, "gen_ai.token.type": "input"})
                    self._tokens.record(outcome.completion_tokens, {**seen, "gen_ai.token.type": "output"})

            try:
                yield report
            except BaseException as error:
                seen["error.type"] = _code_of(error)
                raise
            finally:
                self._durations.record(perf_counter() - started, {**seen, **where})

    @contextmanager
    def _span(
        self, name: str, attributes: Mapping[str, Any], *, kind: SpanKind = SpanKind.INTERNAL, links: Any = ()
    ) -> Iterator[Span]:
        """A span whose failure is that of what is in it: by its code alone, since a message may say anything."""
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except (RunInterrupt, asyncio.CancelledError):
                raise  # it waits, was stopped, or goes on elsewhere
            except BaseException as error:
                _fail(span, _code_of(error))
                raise


def provider_of(entry: Any) -> str:
    """The service as the conventions name it."""
    if entry.api_type == "demo":
        return "demo"
    name = entry.profile or profile_for(api_type=entry.api_type, base_url=entry.base_url, model=entry.model).name
    return _PROVIDERS.get(name, name)


def _server_of(entry: Any) -> dict[str, Any]:
    address = urlsplit(entry.base_url or "")
    if entry.api_type == "demo" or not address.hostname:
        return {}
    return {
        "server.address": address.hostname,
        "server.port": address.port or (80 if address.scheme == "http" else 443),
    }


def _fail(span: Span, code: str) -> None:
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))


def _code_of(error: BaseException) -> str:
    return error.code if isinstance(error, AgentChatError) else type(error).__name__


def _ignore(outcome: Any) -> None:
    """The span says no more."""


def _our_version() -> str:
    try:
        return version("agentchat")
    except PackageNotFoundError:  # a clone, which is not installed
        return ""


# --- the execution before ------------------------------------------------------------------------------------------


def _links(claim: Any) -> list[Link]:
    """To the run's execution before; of the first one of a branch, to the run that it forks from."""
    columns = ("traceparent", "parent__traceparent", "from_seq")
    found = _in_database(lambda: Run.objects.filter(pk=claim.run_id).values_list(*columns).first())
    if found is None:
        return []
    own, parents, from_seq = found
    before = own or (parents if from_seq is not None else "")
    context = _propagator.extract({"traceparent": before}) if before else None
    linked = trace.get_current_span(context).get_span_context() if context is not None else None
    return [Link(linked)] if linked is not None and linked.is_valid else []


def _remember(claim: Any, span: Span) -> None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span))
    if traceparent := carrier.get("traceparent"):
        mine = Run.objects.filter(pk=claim.run_id, epoch=claim.epoch)
        _in_database(lambda: mine.update(traceparent=traceparent))


def _in_database(work: Callable[[], Any]) -> Any:
    """The result; None if the database does not answer at once. A run does not wait for those who observe it."""

    def attempt(is_retry: bool) -> Any:
        with in_background(), lock_timeout(DATABASE_TIMEOUT_SECONDS):
            return work()

    try:
        return retry_transaction(attempt, timeout=DATABASE_TIMEOUT_SECONDS)
    except Exception as error:
        logger.warning("a trace is not linked to the one before: %s", error)
        return None

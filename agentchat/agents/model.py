"""How an agent asks its model: one step, told while it is written.

The last reply function of every agent with an `llm_config`. Runs in the agent's thread and blocks it until the answer
is complete; the request itself runs where the stream's bridge takes it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from agentchat.agents.base import Agent, Message
from agentchat.agents.base import Reply as AgentReply
from agentchat.agents.history import filled_in, for_model
from agentchat.agents.telling import call_events, calls_of
from agentchat.bridge import bridge_of
from agentchat.cache import Cache
from agentchat.events import Event, Notice, TextMessageContent, TextMessageEnd, TextMessageStart, Usage
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.llm.client import Delta, Reply, complete
from agentchat.llm.model_client import ModelClient
from agentchat.steps import Try, step

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent
    from agentchat.agents.wrapper import OpenAIWrapper

_cache: ContextVar[Cache | None] = ContextVar("agentchat_cache", default=None)

_ANEW = ">>>>>>>> THE ANSWER BROKE OFF, AND IS ASKED FOR AGAIN..."


def generate_oai_reply(
    agent: "ConversableAgent",
    messages: list[Message] | None = None,
    sender: Agent | None = None,
    config: "OpenAIWrapper | None" = None,
) -> tuple[bool, AgentReply]:
    """Let the model answer, if the agent has one. Raise LLMError if no entry of its config list does.

    `config` is another model, for those who put this function in place with one.
    """
    client = config or agent.client
    if client is None:
        return False, None
    said = agent.messages_with(sender) if messages is None else messages
    system = [{"role": "system", "content": agent.system_message}] if agent.system_message else []
    context = said[-1].get("context") if said else None
    reply = client.ask(
        filled_in([*system, *for_model(said)], context, client.fills_in_templates),
        name=agent.name,
        to="" if sender is None else sender.name,
        silent=agent.is_silent_with(sender),
        context=context,
    )
    return True, agent.has_told(reply.message() if reply.calls else reply.content)


@contextmanager
def using_cache(cache: Cache | None) -> Iterator[None]:
    """While this lasts, look for answers in the cache first. None leaves that as it is."""
    token = _cache.set(cache or _cache.get())
    try:
        yield
    finally:
        _cache.reset(token)


def ask(
    messages: Sequence[Message],
    *,
    llm_config: Mapping[str, Any],
    name: str,
    to: str,
    silent: bool,
    clients: Mapping[int, ModelClient] | None = None,
    cache: Cache | None = None,
    context: Any = None,
) -> Reply:
    """Ask a model in the name of an agent that talks `to` another. Raise LLMError if no entry of the config answers.

    `silent`: nobody hears the answer; what it used is told all the same. For the rest see `llm.client.complete`.
    """
    stream = IOStream.get_default()
    tools = llm_config.get("tools") or []
    config = {key: value for key, value in llm_config.items() if key != "tools"}
    cache = cache or _cache.get()

    def send(event: Event) -> None:
        if not silent:
            send_to(stream, event)

    def call(try_: Try) -> dict[str, Any]:
        send(TextMessageStart(message_id=try_.key, name=name, to=to))
        try:
            reply = bridge_of(stream).stream(
                lambda tell_delta: complete(
                    config, messages, tools=tools, on_delta=tell_delta, clients=clients, cache=cache, context=context
                ),
                tell=_deltas(try_, send),
            )
        except (Exception, KeyboardInterrupt):
            send(Notice(text=""))  # a console is left in the middle of a line
            raise
        return {**reply.to_json(), "message_id": try_.key}

    def tell(result: Mapping[str, Any]) -> Iterable[Event]:
        reply = _reply_of(result)
        if not silent:
            last = not reply.calls
            yield TextMessageEnd(message_id=result["message_id"], content=reply.content, name=name, to=to, last=last)
            yield from call_events(calls_of(reply.message()), name=name)
        for one in reply.paid_for:
            if not one.cached:
                yield Usage(
                    model=one.model,
                    prompt_tokens=one.prompt_tokens,
                    completion_tokens=one.completion_tokens,
                    cost=one.cost,
                )

    request = {"messages": list(messages), "tools": tools}
    return _reply_of(step(stream, "llm", name, request, call, tell=tell, send=lambda event: send_to(stream, event)))


def _deltas(try_: Try, send: Callable[[Event], None]) -> Callable[[Delta], None]:
    number, offset = 1, 0

    def tell(delta: Delta) -> None:
        nonlocal number, offset
        if delta.number > number:
            number, offset = delta.number, 0
            send(Notice(text=_ANEW))  # a page replaces what was shown; a console cannot
        attempt = try_.attempt_of_answer(number)
        send(TextMessageContent(message_id=try_.key, attempt=attempt, offset=offset, delta=delta.text))
        offset += len(delta.text.encode("utf-16-le", "surrogatepass")) // 2

    return tell


def _reply_of(result: Mapping[str, Any]) -> Reply:
    return Reply.from_json({key: value for key, value in result.items() if key != "message_id"})

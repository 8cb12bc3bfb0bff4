"""How an agent asks its model: one step, told while it is written.

The third reply function of every agent with an `llm_config`. Runs in the agent's thread and blocks it until the answer
is complete; the request itself runs where the stream's bridge takes it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentchat.agents.base import Agent, Message
from agentchat.agents.base import Reply as AgentReply
from agentchat.agents.history import for_model
from agentchat.agents.telling import call_events
from agentchat.bridge import bridge_of
from agentchat.events import Event, Notice, TextMessageContent, TextMessageEnd, TextMessageStart, Usage
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.llm.client import Reply, complete
from agentchat.steps import Try, step

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent


def generate_oai_reply(
    agent: "ConversableAgent", messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
) -> tuple[bool, AgentReply]:
    """Let the model answer, if the agent has one. Raise LLMError if no entry of its config list does."""
    if not agent.llm_config:
        return False, None
    said = agent.messages_with(sender) if messages is None else messages
    system = [{"role": "system", "content": agent.system_message}] if agent.system_message else []
    reply = ask(
        [*system, *for_model(said)],
        llm_config=agent.llm_config,
        name=agent.name,
        to="" if sender is None else sender.name,
        silent=agent.is_silent_with(sender),
    )
    agent.spent.add(reply)
    return True, agent.has_told(reply.message() if reply.tool_calls else reply.content)


def ask(messages: Sequence[Message], *, llm_config: Mapping[str, Any], name: str, to: str, silent: bool) -> Reply:
    """Ask a model in the name of an agent that talks `to` another. Raise LLMError if no entry of the config answers.

    `silent`: nobody hears the answer; what it used is told all the same.
    """
    stream = IOStream.get_default()
    tools = llm_config.get("tools") or []
    config = {key: value for key, value in llm_config.items() if key != "tools"}

    def send(event: Event) -> None:
        if not silent:
            send_to(stream, event)

    def call(try_: Try) -> dict[str, Any]:
        send(TextMessageStart(message_id=try_.key, name=name, to=to))
        try:
            reply = bridge_of(stream).stream(
                lambda tell_delta: complete(config, messages, tools=tools, on_delta=tell_delta),
                tell=_deltas(try_, send),
            )
        except (Exception, KeyboardInterrupt):
            send(Notice(text=""))  # a console is left in the middle of a line
            raise
        return {**reply.to_json(), "message_id": try_.key}

    def tell(result: Mapping[str, Any]) -> Iterable[Event]:
        reply = _reply_of(result)
        if not silent:
            last = not reply.tool_calls
            yield TextMessageEnd(message_id=result["message_id"], content=reply.content, name=name, to=to, last=last)
            yield from call_events(reply.tool_calls, name=name)
        yield Usage(model=reply.model, prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens)

    request = {"messages": list(messages), "tools": tools}
    return _reply_of(step(stream, "llm", name, request, call, tell=tell, send=lambda event: send_to(stream, event)))


def _deltas(try_: Try, send: Callable[[Event], None]) -> Callable[[str], None]:
    offset = 0

    def tell(delta: str) -> None:
        nonlocal offset
        send(TextMessageContent(message_id=try_.key, attempt=try_.attempt, offset=offset, delta=delta))
        offset += len(delta.encode("utf-16-le", "surrogatepass")) // 2

    return tell


def _reply_of(result: Mapping[str, Any]) -> Reply:
    return Reply.from_json({key: value for key, value in result.items() if key != "message_id"})

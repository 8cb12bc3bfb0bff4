"""The last reply function of every agent with an `llm_config`: its model answers."""

from agentchat.agents.history import for_model, render_messages
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.protocols import Agent, Message, Reply
from agentchat.agents.replying_agent import ReplyingAgent, messages_to_answer


def model_reply(
    agent: ReplyingAgent, messages: list[Message] | None, sender: Agent | None, config: OpenAIWrapper | None
) -> tuple[bool, Reply]:
    """Let the model answer, if the agent has one. Raise LLMError if no entry of its config list does.

    `config` is another model, for callers who register this function with one.
    """
    client = config or agent.client
    if client is None:
        return False, None
    received = messages_to_answer(agent, messages, sender)
    system = [{"role": "system", "content": agent.system_message}] if agent.system_message else []
    context = received[-1].get("context") if received else None
    response = client.ask(
        lambda: render_messages([*system, *for_model(received)], context, client.formats_texts),
        name=agent.name,
        to="" if sender is None else sender.name,
        silent=agent._agentchat.emitter.is_silent_with(sender),
        context=context,
        visible=agent._agentchat.visible,
    )
    # A text even where there is none, as streamed answers have: classic conditions call its methods.
    called = {**response.message(), "content": response.content}
    return True, agent._agentchat.emitter.mark_emitted(called if response.calls else response.content)

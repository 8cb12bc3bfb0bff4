"""The first reply function of every agent: is the chat over, and does the user want to reply?

What `human_input_mode` means:

    ALWAYS      the user is asked before each reply; an empty answer lets the agent reply by itself
    TERMINATE   the user is asked at a termination message, and when the agent has reached its limit of auto-replies
    NEVER       the user is never asked: the chat ends where TERMINATE would ask

"exit" ends the chat; so does an empty answer to a termination message. What the user types is the reply; if tool calls
were pending, they are answered with "USER INTERRUPTED" and not run.
"""

from agentchat.agents.async_api import call_method
from agentchat.agents.protocols import Agent, Message, Reply
from agentchat.agents.replies.tool_calls import interrupted_calls
from agentchat.agents.replying_agent import ReplyingAgent, messages_to_answer
from agentchat.events import Notice

_END = "exit"


def human_reply(agent: ReplyingAgent, messages: list[Message] | None, sender: Agent | None) -> tuple[bool, Reply]:
    """End the chat, or reply with what the user types, or let the next reply function answer."""
    message = messages_to_answer(agent, messages, sender)[-1]
    text = _user_text(agent, message, sender)
    # An agent that may never reply by itself has only the user's text, even an empty one.
    if text or agent._agentchat.auto_replies.limit(sender) == 0:
        agent._agentchat.auto_replies.reset(sender)
        return True, None if text == _END else _reply_with(text, agent, message, sender)
    agent._agentchat.auto_replies.count(sender)
    if agent.human_input_mode != "NEVER":
        agent._agentchat.emitter.emit(Notice(text=">>>>>>>> USING AUTO REPLY..."), to=sender)
    return False, None


def _user_text(agent: ReplyingAgent, message: Message, sender: Agent | None) -> str:
    """What the user types: "exit" for the end, "" if they leave the reply to the agent or are not asked."""
    over = agent.is_termination_msg(message)
    exhausted = agent._agentchat.auto_replies.exhausted(sender)
    other = "the sender" if sender is None else sender.name
    if agent.human_input_mode == "ALWAYS":
        prompt = (
            f"Replying as {agent.name}. Provide feedback to {other}. Press enter to skip and use auto-reply, "
            f"or type 'exit' to end the conversation: "
        )
    elif not over and not exhausted:
        return ""
    elif agent.human_input_mode == "NEVER":
        return _END
    else:
        skip = "" if over else " to skip and use auto-reply,"
        prompt = f"Please give feedback to {other}. Press enter{skip} or type 'exit' to stop the conversation: "
    text: str = call_method(agent, "get_human_input", prompt)
    if not text:
        agent._agentchat.emitter.emit(Notice(text=">>>>>>>> NO HUMAN INPUT RECEIVED."), to=sender)
    return text or (_END if over else "")


def _reply_with(text: str, agent: ReplyingAgent, message: Message, sender: Agent | None) -> Message:
    reply: Message = {"role": "user", "content": text}
    if responses := interrupted_calls(agent, message, sender):
        reply["tool_responses"] = responses
    return reply

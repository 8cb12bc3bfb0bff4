"""What came of a chat: its summary, and its cost."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from agentchat.agents.async_api import resolve
from agentchat.agents.history import for_model, text_of
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.cache import Cache
from agentchat.errors import ConfigError, LLMRefused
from agentchat.llm.usage import sum_of

SummaryMethod: TypeAlias = str | Callable[..., Any] | None
"""How a chat is summarized: "last_msg", "reflection_with_llm", a function of (sender, recipient, args); None: not at
all."""

REFLECTION_PROMPT = (
    "Summarise what came of the conversation. Leave out greetings and thanks; answer with the summary alone."
)


def check_summary_method(method: SummaryMethod, sender: ReplyingAgent, recipient: ReplyingAgent) -> None:
    """Raise ConfigError if the chat could not be summarized in the end."""
    if not (method is None or callable(method) or method in ("last_msg", "reflection_with_llm")):
        raise ConfigError(f"summary_method {method!r}: use 'last_msg', 'reflection_with_llm', a function or None")
    if method == "reflection_with_llm" and not (recipient.client or sender.client):
        raise ConfigError("summary_method 'reflection_with_llm' needs an llm_config on one of the two agents")


def summarize(
    method: SummaryMethod,
    args: Mapping[str, Any],
    sender: ReplyingAgent,
    recipient: ReplyingAgent,
    cache: Cache | None = None,
) -> Any:
    """What came of the chat that `sender` started."""
    if callable(method):
        return resolve(method(sender, recipient, {"cache": cache, **args}))
    if method == "last_msg":
        last = recipient.last_message(sender)
        return text_of(last["content"]).replace("TERMINATE", "") if last else ""
    if method == "reflection_with_llm":
        return _reflect(args, sender, recipient, args.get("cache", cache))
    return ""


def _reflect(args: Mapping[str, Any], sender: ReplyingAgent, recipient: ReplyingAgent, cache: Cache | None) -> str:
    agent = recipient if recipient.client else sender
    assert agent.client is not None
    role, prompt = args.get("summary_role") or "system", args.get("summary_prompt") or sender.DEFAULT_SUMMARY_PROMPT
    for name, given in (("summary_role", role), ("summary_prompt", prompt)):
        if not isinstance(given, str):
            raise ConfigError(f"summary_args: {name} {given!r} must be a string")
    messages = [*for_model(recipient.chat_messages_for_summary(sender)), {"role": role, "content": prompt}]
    try:
        return agent.client.ask(lambda: messages, name=agent.name, to="", silent=True, cache=cache).content
    except LLMRefused as error:
        sentence = f"Cannot extract summary using reflection_with_llm: {error}. Using an empty str as summary."
        warnings.warn(sentence, UserWarning, stacklevel=4)
        return ""


def gather_usage_summary(agents: Iterable[ReplyingAgent]) -> dict[str, dict[str, Any]]:
    """What the agents have used so far, by model: `usage_including_cached_inference`, `usage_excluding_…`.

    Costs are in US dollars; a model without a price has `"known": False`.
    """
    return sum_of(agent._agentchat.usage for agent in agents).as_cost()

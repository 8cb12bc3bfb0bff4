"""What came of a chat: its summary, and its cost."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from agentchat.agents.history import for_model, text_of
from agentchat.agents.twins import settled
from agentchat.cache import Cache
from agentchat.errors import ConfigError
from agentchat.llm.usage import sum_of

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

SummaryMethod: TypeAlias = str | Callable[..., Any] | None
"""How a chat is summed up: "last_msg", "reflection_with_llm", a function of (sender, recipient, args); None: not at
all."""

REFLECTION = "Summarise what came of the conversation. Leave out greetings and thanks; answer with the summary alone."


def check_summary_method(method: SummaryMethod, sender: "ConversableAgent", recipient: "ConversableAgent") -> None:
    """Raise ConfigError if a chat could not be summed up in the end."""
    if not (method is None or callable(method) or method in ("last_msg", "reflection_with_llm")):
        raise ConfigError(f"summary_method {method!r}: give 'last_msg', 'reflection_with_llm', a function or None")
    if method == "reflection_with_llm" and not (recipient.client or sender.client):
        raise ConfigError("summary_method 'reflection_with_llm' needs an llm_config on one of the two agents")


def summarise(
    method: SummaryMethod,
    args: Mapping[str, Any],
    sender: "ConversableAgent",
    recipient: "ConversableAgent",
    cache: Cache | None = None,
) -> Any:
    """What came of the chat that `sender` began."""
    if callable(method):
        return settled(method(sender, recipient, {"cache": cache, **args}))
    if method == "last_msg":
        last = recipient.last_message(sender)
        return text_of(last["content"]).replace("TERMINATE", "") if last else ""
    if method == "reflection_with_llm":
        return _reflect(args, sender, recipient, args.get("cache", cache))
    return ""


def _reflect(
    args: Mapping[str, Any], sender: "ConversableAgent", recipient: "ConversableAgent", cache: Cache | None
) -> str:
    thinker = recipient if recipient.client else sender
    assert thinker.client is not None
    role, words = args.get("summary_role") or "system", args.get("summary_prompt") or sender.DEFAULT_SUMMARY_PROMPT
    for name, given in (("summary_role", role), ("summary_prompt", words)):
        if not isinstance(given, str):
            raise ConfigError(f"summary_args: {name} {given!r} must be a text")
    messages = [*for_model(recipient.chat_messages_for_summary(sender)), {"role": role, "content": words}]
    return thinker.client.ask(messages, name=thinker.name, to="", silent=True, cache=cache).content


def gather_usage_summary(agents: Iterable["ConversableAgent"]) -> dict[str, dict[str, Any]]:
    """What the agents have used so far, by model: `usage_including_cached_inference`, `usage_excluding_…`.

    Costs are in US dollars, or "unknown".
    """
    return sum_of(agent.spent for agent in agents).as_cost()

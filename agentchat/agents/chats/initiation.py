"""The chats that an agent can start: one with another agent, and nested ones before a reply."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentchat.agents.async_api import async_version, call_method
from agentchat.agents.chats.first_message import FirstMessage, first_message, initial_message
from agentchat.agents.chats.sequence import Chat
from agentchat.agents.chats.summary import SummaryMethod, check_summary_method, gather_usage_summary, summarize
from agentchat.agents.chats.two_agent import ChatResult, converse, recall
from agentchat.agents.llm_step import using_cache
from agentchat.agents.protocols import Message, Trigger
from agentchat.agents.replies.nested_chats import NestedReply, nested_chats_reply
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.cache import Cache
from agentchat.errors import ConfigError


class ChatInitiation:
    """The methods of `ConversableAgent` that start chats. They need a `ReplyingAgent`, and keep no state."""

    def initiate_chat(
        self: ReplyingAgent,
        /,  # the context may have any name
        recipient: ReplyingAgent,
        clear_history: bool = True,
        silent: bool | None = False,
        cache: Cache | None = None,
        max_turns: int | None = None,
        summary_method: SummaryMethod = "last_msg",
        summary_args: Mapping[str, Any] | None = None,
        message: FirstMessage = None,
        **context: Any,
    ) -> ChatResult:
        """Send the first message and let the two agents reply to each other until the chat ends; blocks until then.

        `message` is the first message, a list of messages of which only the last is new, or a function of (sender,
        recipient, context); None asks the user. `carryover` in the context is added to it. `max_turns` is the number of
        messages that each sends at most. `silent`: nothing is emitted. `cache`: what models answer in this chat, and in
        those within it, is asked for once.
        """
        if not hasattr(recipient, "_agentchat"):
            raise ConfigError(f"initiate_chat(recipient={recipient!r}): use a ConversableAgent, or another of its kind")
        if max_turns is not None and (not isinstance(max_turns, int) or max_turns < 1):
            raise ConfigError(f"initiate_chat(max_turns={max_turns!r}): must be a whole number, at least 1")
        if isinstance(message, list) and not all(isinstance(each, Mapping) for each in message):
            raise ConfigError(f"initiate_chat(message={message!r:.200}): a list is of messages, which are dicts")
        check_summary_method(summary_method, self, recipient)
        number = self._begin_chat_with(recipient, clear_history=clear_history, reply_at_receive=max_turns is None)
        if isinstance(message, list):
            *earlier, message = message or [{}]
            recall(earlier, sender=self, recipient=recipient)
        with using_cache(cache):
            first = first_message(message, self, recipient, context)
            call_method(self, "send", first, recipient, request_reply=False, silent=bool(silent))
            replies = None if max_turns is None else 2 * max_turns - 1
            converse(recipient, self, silent=bool(silent), replies=replies)
            summary = summarize(summary_method, summary_args or {}, self, recipient, cache)
        return ChatResult(
            chat_id=number,
            chat_history=list(self.chat_messages[recipient]),
            summary=summary,
            cost=gather_usage_summary([self, recipient]),
            human_input=list(self._agentchat.human_input),
        )

    def generate_init_message(self: ReplyingAgent, /, message: Message | str | None, **context: Any) -> Message | str:
        """The first message of a chat; without one, what the user types. The context's `carryover` is added to it."""
        return initial_message(self, message, context.get("carryover"))

    def register_nested_chats(
        self: ReplyingAgent,
        chat_queue: Sequence[Chat],
        trigger: Trigger,
        reply_func_from_nested_chats: NestedReply = "summary_from_nested_chats",
        position: int = 2,
        use_async: bool | None = None,
        *,
        config: Any = None,
        reset_config: Callable[[Any], None] | None = None,
        ignore_async_in_sync_chat: bool = False,
    ) -> None:
        """Have these chats before replying to messages that match the trigger, and reply with their outcome.

        The first one starts with the message to reply to, if it has none of its own; any other without a `message` is
        left out. A `message` may be a function of (agent, messages, sender, config). With `use_async` the chats are
        those of `a_initiate_chats`, in chats that an `a_` method started. Raise ConfigError for what cannot work.
        """
        self.register_reply(
            trigger,
            nested_chats_reply(chat_queue, reply_func_from_nested_chats, use_async=bool(use_async)),
            position,
            config,
            reset_config,
            ignore_async_in_sync_chat=ignore_async_in_sync_chat or bool(use_async),
        )

    a_initiate_chat = async_version(initiate_chat)
    a_generate_init_message = async_version(generate_init_message)

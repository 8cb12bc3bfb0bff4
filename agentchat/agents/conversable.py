"""The agent: something that sends, receives and replies.

What it replies is decided by its reply functions, in this order: is the chat over or does the person want a word, are
there calls to run, does its model answer; else `default_auto_reply`. Each of these lives in a file of its own, and so
do the queue of chats, nested chats, hooks and the registering of tools: here they are only named.

Agents are plain synchronous objects; whoever prefers to await them finds the methods a second time, with `a_` before
the name (`twins`). Neither chance nor the time decides what they do: called again with the same recorded steps, they
say the same.
"""

import copy
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from agentchat.agents import chat, human, model, nested, opening, queue, registering, summary, tool_calls
from agentchat.agents.base import Agent, HumanInputMode, Message, Reply, ReplyFunction, Trigger
from agentchat.agents.history import Histories, as_message, filled_in, text_of
from agentchat.agents.hooks import Hook, Hooks
from agentchat.agents.replies import ReplyFunctions
from agentchat.agents.telling import message_events
from agentchat.agents.twins import called, settled, twin_of
from agentchat.agents.wrapper import OpenAIWrapper
from agentchat.errors import ConfigError
from agentchat.events import Event
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.llm.model_client import ModelClient
from agentchat.llm.usage import Totals
from agentchat.tools import Tool
from agentchat.tools.execution import ToolCalls

_MOST_TOLD = 64  # replies that wait to be sent: one for each chat that the agent has at the same time


def _says_terminate(message: Message) -> bool:
    return text_of(message.get("content")) == "TERMINATE"


class ConversableAgent:
    """An agent that talks with others, with a model, tools and a person as it is given them.

    `is_termination_msg(message)` says whether a message that it received ends the chat; by default one that is just
    "TERMINATE". `max_consecutive_auto_reply` (100) limits how often in a row it replies without its person.
    `human_input_mode` says when the person is asked (see `agents.human`). `llm_config` is the model, or False; it is
    copied, and so never shared. `function_map` holds tools that it can run. `silent`: whether its messages are told to
    whoever listens; None leaves that to each chat. Raise ConfigError for what cannot work.
    """

    MAX_CONSECUTIVE_AUTO_REPLY: ClassVar[int] = 100
    DEFAULT_SUMMARY_METHOD: ClassVar[str] = "last_msg"
    DEFAULT_SUMMARY_PROMPT: ClassVar[str] = summary.REFLECTION

    def __init__(
        self,
        name: str,
        system_message: str | None = "You are a helpful AI Assistant.",
        is_termination_msg: Callable[[Message], bool] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "TERMINATE",
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: Any = False,
        llm_config: Mapping[str, Any] | Literal[False] | None = None,
        default_auto_reply: Message | str = "",
        description: str | None = None,
        chat_messages: Mapping[Agent, Sequence[Message]] | None = None,
        silent: bool | None = None,
    ) -> None:
        _check(name, human_input_mode, code_execution_config, llm_config)
        limit = self.MAX_CONSECUTIVE_AUTO_REPLY if max_consecutive_auto_reply is None else max_consecutive_auto_reply
        self.name = name
        self.system_message = system_message or ""
        self.description = self.system_message if description is None else description
        self.is_termination_msg = is_termination_msg or _says_terminate
        self.human_input_mode = human_input_mode
        self.llm_config: dict[str, Any] | Literal[False] = copy.deepcopy(dict(llm_config)) if llm_config else False
        self.default_auto_reply = default_auto_reply
        self.silent = silent
        self.tools: dict[str, Tool] = {}
        self.chat_messages = Histories(chat_messages)
        self.auto_replies = human.AutoReplies(limit)
        self.reply_at_receive: dict[Agent, bool] = defaultdict(bool)
        self.spent = Totals()
        self.client = OpenAIWrapper.of_agent(self.llm_config, self.spent) if self.llm_config else None
        self._replies = ReplyFunctions()
        self._hooks = Hooks()
        self._human_input: list[str] = []
        self._silent_with: dict[Agent, bool] = {}
        self._told: deque[Message | str] = deque(maxlen=_MOST_TOLD)
        self._chats_begun = 0
        self._finished_chats: list[chat.ChatResult] | dict[int, chat.ChatResult] = []
        self.register_function(function_map or {})
        for reply_function in (
            ConversableAgent.generate_oai_reply,
            ConversableAgent.generate_tool_calls_reply,
            ConversableAgent.generate_function_call_reply,
            ConversableAgent.check_termination_and_human_reply,
        ):
            self.register_reply([Agent, None], reply_function)

    # --- chatting ---------------------------------------------------------------------------------------------------

    initiate_chat = chat.initiate_chat
    generate_init_message = opening.generate_init_message
    register_nested_chats = nested.register_nested_chats

    def send(
        self, message: Message | str, recipient: Agent, request_reply: bool | None = None, silent: bool | None = False
    ) -> None:
        """Say something to another agent, and to whoever listens unless `silent`.

        With `request_reply` the recipient replies at once, and this blocks until the two have no more to say; None
        leaves that to the recipient (`reply_at_receive`). Raise ValueError if nothing is said in the message.
        """
        silent = bool(silent)
        message = self._hooks.sent(message, sender=self, recipient=recipient, silent=self._is_silent(silent))
        self.chat_messages.add(message, partner=recipient, role="assistant", speaker=self.name)
        if not self._was_told(message) and not self._is_silent(silent):
            for event in message_events(self._filled_in(message), name=self.name, to=recipient.name):
                send_to(IOStream.get_default(), event)
        called(recipient, "receive", message, self, request_reply, silent)

    def receive(
        self, message: Message | str, sender: Agent, request_reply: bool | None = None, silent: bool | None = False
    ) -> None:
        """Hear what another agent says, and reply if a reply is wanted (see `send`)."""
        self.chat_messages.add(message, partner=sender, role="user", speaker=sender.name)
        self._silent_with[sender] = bool(silent)
        if self.reply_at_receive[sender] if request_reply is None else request_reply:
            chat.converse(self, sender, silent=bool(silent))

    def initiate_chats(self, chat_queue: Sequence[queue.Chat]) -> list[chat.ChatResult]:
        """Begin several chats, one after the other (see `agents.queue`)."""
        results = self._finished_chats = queue.initiate_chats(queue.with_sender(chat_queue, self))
        return results

    async def a_initiate_chats(self, chat_queue: Sequence[queue.Chat]) -> dict[int, chat.ChatResult]:
        """Begin several chats, each as soon as those that it waits for are over."""
        results = self._finished_chats = await queue.a_initiate_chats(queue.with_sender(chat_queue, self))
        return results

    def get_chat_results(self, chat_index: int | None = None) -> Any:
        """What came of the chats of the last queue: all, or that of one, by its place or its `chat_id`."""
        return self._finished_chats if chat_index is None else self._finished_chats[chat_index]

    def begin_chat(self, recipient: "ConversableAgent", *, clear_history: bool, reply_at_receive: bool) -> int:
        """Get ready for a chat that this agent begins, both sides; return its number."""
        for one, other in ((self, recipient), (recipient, self)):
            one.prepare_chat(other, clear_history=clear_history, reply_at_receive=reply_at_receive)
        self._chats_begun += 1
        return self._chats_begun

    def prepare_chat(self, partner: Agent, *, clear_history: bool, reply_at_receive: bool) -> None:
        """Get ready for a new chat with a partner."""
        self.auto_replies.reset(partner)
        self.reply_at_receive[partner] = reply_at_receive
        if clear_history:
            self.chat_messages[partner] = []  # results of earlier chats keep theirs
            self._human_input = []

    # --- replying ---------------------------------------------------------------------------------------------------

    check_termination_and_human_reply = human.check_termination_and_human_reply
    generate_function_call_reply = tool_calls.generate_function_call_reply
    generate_tool_calls_reply = tool_calls.generate_tool_calls_reply
    generate_oai_reply = model.generate_oai_reply

    def generate_reply(
        self, /, messages: list[Message] | None = None, sender: Agent | None = None, **kwargs: Any
    ) -> Reply:
        """The reply to `messages`, or to what `sender` said last; None if there is nothing more to say.

        Blocks while the model, a tool or the person takes its time. `exclude` is a list of reply functions not to ask.
        """
        said = self._hooks.received(self.messages_with(sender) if messages is None else messages)
        for entry in self._replies.for_sender(sender, exclude=kwargs.get("exclude") or ()):
            final, reply = settled(entry.function(self, messages=said, sender=sender, config=entry.config))
            if final:
                return reply  # type: ignore[no-any-return]  # a reply function's word
        return self.default_auto_reply

    def register_reply(
        self,
        trigger: Trigger,
        reply_func: ReplyFunction,
        position: int = 0,
        config: Any = None,
        reset_config: Callable[[Any], None] | None = None,
        *,
        ignore_async_in_sync_chat: bool = False,
        remove_other_reply_funcs: bool = False,
    ) -> None:
        """Ask `reply_func` about messages whose sender matches the trigger, before all others unless `position` says.

        It is called as `reply_func(agent, messages=…, sender=…, config=…)`, returns `(final, reply)`, and may be async;
        with `ignore_async_in_sync_chat` it is asked only in chats that an `a_` method began.
        """
        if remove_other_reply_funcs:
            self._replies.clear()
        self._replies.register(
            trigger,
            reply_func,
            position=position,
            config=config,
            reset_config=reset_config,
            awaited_chats_only=ignore_async_in_sync_chat,
        )

    def replace_reply_func(self, old_reply_func: ReplyFunction, new_reply_func: ReplyFunction) -> None:
        """Ask the new function wherever the old one was asked."""
        self._replies.replace(old_reply_func, new_reply_func)

    def register_hook(self, hookable_method: str, hook: Hook) -> None:
        """Let a function change what is heard or said (see `agents.hooks`)."""
        self._hooks.register(hookable_method, hook)

    def get_human_input(self, prompt: str) -> str:
        """What the person answers. Blocks until then, or unwinds the agent function (`errors.Unwound`)."""
        words = IOStream.get_default().input(prompt)
        self._human_input.append(words)
        return words

    @property
    def human_input(self) -> list[str]:
        """What the person has typed in this chat."""
        return list(self._human_input)

    def max_consecutive_auto_reply(self, sender: Agent | None = None) -> int:
        return self.auto_replies.limit(sender)

    def update_max_consecutive_auto_reply(self, value: int, sender: Agent | None = None) -> None:
        """Set the limit for one partner, or for all."""
        self.auto_replies.set_limit(value, sender)

    def reset_consecutive_auto_reply_counter(self, sender: Agent | None = None) -> None:
        """Count from 0 again, for one partner or for all."""
        if sender is None:
            self.auto_replies.reset_all()
        else:
            self.auto_replies.reset(sender)

    def stop_reply_at_receive(self, sender: Agent | None = None) -> None:
        """Reply only when asked to, to one partner or to all."""
        if sender is None:
            self.reply_at_receive.clear()
        else:
            self.reply_at_receive[sender] = False

    # --- tools ------------------------------------------------------------------------------------------------------

    register_for_llm = registering.register_for_llm
    register_for_execution = registering.register_for_execution
    register_function = registering.register_functions
    update_tool_signature = registering.update_tool_signature
    update_function_signature = registering.update_function_signature
    can_execute_function = registering.can_execute_function
    execute_function = tool_calls.execute_function

    @property
    def function_map(self) -> dict[str, Callable[..., Any]]:
        """The functions that this agent runs, by the names that models know."""
        return {name: tool.function for name, tool in self.tools.items()}

    # --- the model --------------------------------------------------------------------------------------------------

    def register_model_client(self, model_client_cls: Callable[..., ModelClient], **kwargs: Any) -> None:
        """Ask an object of this class where an entry of the `llm_config` names it. Raise ConfigError if none does."""
        if self.client is None:
            raise ConfigError(f"agent {self.name!r} has no llm_config: nobody would ask a model client")
        self.client.register_model_client(model_client_cls, **kwargs)

    def get_actual_usage(self) -> dict[str, Any] | None:
        """What its model was asked for, by model, with costs in US dollars or "unknown"; None if it was not."""
        return self.spent.actual

    def get_total_usage(self) -> dict[str, Any] | None:
        """The same with the answers that came from a cache."""
        return self.spent.total

    def print_usage_summary(self, mode: str | Sequence[str] = ("actual", "total")) -> None:
        if self.client is None:
            words = f"No cost incurred from agent '{self.name}'."
        else:
            words = f"Agent '{self.name}':\n{self.spent.in_words(mode)}"
        IOStream.get_default().print(words, flush=True)

    # --- remembering ------------------------------------------------------------------------------------------------

    def messages_with(self, partner: Agent | None) -> list[Message]:
        """What was said with a partner, as this agent remembers it. Raise ValueError without a partner."""
        if partner is None:
            raise ValueError("a reply needs something to reply to: give `messages` or a `sender`")
        return self.chat_messages[partner]

    def chat_messages_for_summary(self, agent: Agent) -> list[Message]:
        """What a summary of the chat with a partner is made of."""
        return self.chat_messages[agent]

    def last_message(self, agent: Agent | None = None) -> Message | None:
        """The last message with a partner, who may be left out if there is only one; None if nothing was said at all.

        Raise KeyError for a partner whom it has not talked with, ValueError if it is to choose among several.
        """
        if agent is not None:
            if not self.chat_messages.get(agent):
                raise KeyError(f"agent {self.name!r} has not talked with {agent.name!r}")
            return self.chat_messages[agent][-1]
        talks = [messages for messages in self.chat_messages.values() if messages]
        if len(talks) > 1:
            raise ValueError(f"agent {self.name!r} has talked with {len(talks)} partners: name one")
        return talks[0][-1] if talks else None

    def clear_history(self, recipient: Agent | None = None, nr_messages_to_preserve: int | None = None) -> None:
        """Forget what was said with a partner, or with all, but for the newest messages."""
        self.chat_messages.forget(recipient, but=nr_messages_to_preserve or 0)

    def update_system_message(self, system_message: str) -> None:
        self.system_message = system_message

    def reset(self) -> None:
        """Become as new, but for what was registered."""
        self.chat_messages.clear()
        self.auto_replies.reset_all()
        self.stop_reply_at_receive()
        self.spent.clear()
        self._replies.reset()

    # --- the same, awaited ------------------------------------------------------------------------------------------

    a_send = twin_of(send)
    a_receive = twin_of(receive)
    a_generate_reply = twin_of(generate_reply)
    a_initiate_chat = twin_of(initiate_chat)
    a_generate_init_message = twin_of(generate_init_message)
    a_get_human_input = twin_of(get_human_input)
    a_execute_function = twin_of(execute_function)
    a_check_termination_and_human_reply = twin_of(check_termination_and_human_reply)
    a_generate_function_call_reply = twin_of(generate_function_call_reply)
    a_generate_tool_calls_reply = twin_of(generate_tool_calls_reply)
    a_generate_oai_reply = twin_of(generate_oai_reply)

    # --- what the reply functions need ------------------------------------------------------------------------------

    def tell(self, event: Event, *, to: Agent | None) -> None:
        """Say what happens while this agent replies to a partner, unless their chat is silent."""
        if not self.is_silent_with(to):
            send_to(IOStream.get_default(), event)

    def has_told(self, reply: Message | str) -> Message | str:
        """Give back a reply that was told while it was written, so that sending it does not tell it again."""
        self._told.append(reply)
        return reply

    def is_silent_with(self, partner: Agent | None) -> bool:
        return self._is_silent(partner is not None and self._silent_with.get(partner, False))

    def answering(self, calls: Sequence[Message], sender: Agent | None) -> ToolCalls:
        """The tool calls of a message, to be run or refused by this agent."""
        stream = IOStream.get_default()
        return ToolCalls(
            calls=calls,
            stream=stream,
            send=lambda event: send_to(stream, event),
            by=self.name,
            to="" if sender is None else sender.name,
            silent=self.is_silent_with(sender),
        )

    def _was_told(self, message: Message | str) -> bool:
        """Whether this very message was told already; then it is once only."""
        for told in self._told:
            if told is message:
                self._told.remove(told)
                return True
        return False

    def _is_silent(self, silent: bool) -> bool:
        return silent if self.silent is None else self.silent

    def _filled_in(self, message: Message | str) -> Message:
        """The message as it is told: a template with its context."""
        said = as_message(message)
        return filled_in([said], said.get("context"), self.client is not None and self.client.fills_in_templates)[0]


def _check(name: str, human_input_mode: str, code_execution_config: Any, llm_config: Any) -> None:
    """Raise ConfigError for an agent that cannot work."""
    if not name:
        raise ConfigError("an agent needs a name")
    if human_input_mode not in get_args(HumanInputMode):
        raise ConfigError(f"human_input_mode {human_input_mode!r}: give one of {', '.join(get_args(HumanInputMode))}")
    if code_execution_config not in (False, None):
        raise ConfigError(
            f"agent {name!r}: code_execution_config is not supported, because code that a model wrote would run with "
            "all rights of this process; give False, and register functions that do what is needed as tools"
        )
    if llm_config and not isinstance(llm_config, Mapping):
        raise ConfigError(f"agent {name!r}: llm_config is {llm_config!r}; give a dict, llm_config(), or False")

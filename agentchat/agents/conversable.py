"""The agent: something that sends, receives and replies.

Its reply functions decide what it replies, in this order: is the chat over or does the user want to reply, are there
calls to run, does its model answer; else `default_auto_reply`. Each of these is in a file of its own, and so are the
chats that an agent starts, its tools, its history and its hooks: this class joins them.

Agents are plain synchronous objects; every method that may wait has an awaitable version with the prefix `a_` (see
`async_api`). Neither chance nor time decides what they do: called again with the same recorded steps, they do the same.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from agentchat.agents.async_api import async_version, call_method, resolve
from agentchat.agents.auto_replies import AutoReplies
from agentchat.agents.chats import sequence
from agentchat.agents.chats.initiation import ChatInitiation
from agentchat.agents.chats.summary import REFLECTION_PROMPT
from agentchat.agents.chats.two_agent import ChatResult, converse
from agentchat.agents.classic_names import ClassicNames
from agentchat.agents.emitter import EventEmitter
from agentchat.agents.generation import Generation
from agentchat.agents.history import Histories, text_of
from agentchat.agents.hooks import Hook
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.parts import AgentParts
from agentchat.agents.protocols import Agent, HumanInputMode, Message, Reply, ReplyFunction, Trigger
from agentchat.agents.replies.code import warn_of_code
from agentchat.agents.replies.human_input import human_reply
from agentchat.agents.replies.llm import model_reply
from agentchat.agents.replies.registry import RegisteredReply
from agentchat.agents.replies.tool_calls import function_call_reply, run_function, tool_calls_reply
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.agents.tool_registration import ToolRegistration
from agentchat.core.per_run import PerRun
from agentchat.errors import ConfigError, SenderRequired
from agentchat.io import IOStream
from agentchat.llm.config_entries import check_models, copy_of
from agentchat.llm.model_client import ModelClient


def _says_terminate(message: Message) -> bool:
    return text_of(message.get("content")) == "TERMINATE"


class ConversableAgent(ClassicNames, PerRun, ChatInitiation, ToolRegistration, Generation):
    """An agent that chats with others, using a model, tools and a user as they are given.

    `is_termination_msg(message)` says whether a received message ends the chat; by default one that is just
    "TERMINATE". `max_consecutive_auto_reply` (100) limits how often in a row it replies without its user.
    `human_input_mode` says when the user is asked (see `replies.human_input`). `llm_config` is the model, or False; it
    is copied, and so never shared. `function_map` holds tools that it can run. `silent`: whether its messages are not
    emitted; None leaves that to each chat. Raise ConfigError for what cannot work.
    """

    MAX_CONSECUTIVE_AUTO_REPLY: ClassVar[int] = 100
    DEFAULT_SUMMARY_METHOD: ClassVar[str] = "last_msg"
    DEFAULT_SUMMARY_PROMPT: ClassVar[str] = REFLECTION_PROMPT

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
        if is_termination_msg is not None and not callable(is_termination_msg):
            raise ConfigError(
                f"agent {name!r}: is_termination_msg is {is_termination_msg!r}; use a function of a message"
            )
        if max_consecutive_auto_reply is not None and not isinstance(max_consecutive_auto_reply, int | float):
            raise ConfigError(
                f"agent {name!r}: max_consecutive_auto_reply is {max_consecutive_auto_reply!r}; use a number"
            )
        limit = self.MAX_CONSECUTIVE_AUTO_REPLY if max_consecutive_auto_reply is None else max_consecutive_auto_reply
        self.name = name
        self.system_message = system_message or ""
        self.description = self.system_message if description is None else description
        self.is_termination_msg = is_termination_msg or _says_terminate
        self.human_input_mode = human_input_mode
        self.llm_config: dict[str, Any] | Literal[False] = copy_of(llm_config) if llm_config else False
        self.default_auto_reply = default_auto_reply
        self._agentchat = AgentParts(
            emitter=EventEmitter(name, silent=silent),
            auto_replies=AutoReplies(limit, is_default=max_consecutive_auto_reply is None),
        )
        self.chat_messages = Histories(chat_messages)
        self.reply_at_receive: dict[Agent, bool] = defaultdict(bool)
        self.client = OpenAIWrapper.of_agent(self.llm_config, self._agentchat.usage) if self.llm_config else None
        self._finished_chats: list[ChatResult] | dict[int, ChatResult] = []
        self.register_function(function_map or {})
        for reply_function in (
            ConversableAgent.generate_oai_reply,
            ConversableAgent.generate_tool_calls_reply,
            ConversableAgent.generate_function_call_reply,
            ConversableAgent.check_termination_and_human_reply,
        ):
            self.register_reply([Agent, None], reply_function)

    # --- chatting (see also `ChatInitiation`) -----------------------------------------------------------------------

    def send(
        self, message: Message | str, recipient: Agent, request_reply: bool | None = None, silent: bool | None = False
    ) -> None:
        """Send a message to another agent, and emit it unless `silent`.

        With `request_reply` the recipient replies at once, and this blocks until neither has more to say; None leaves
        that to the recipient (`reply_at_receive`). Raise ValueError if the message has neither content nor calls.
        """
        silent = bool(silent)
        message = self._agentchat.hooks.sent(
            message, sender=self, recipient=recipient, silent=self._agentchat.emitter.is_silent(chat=silent)
        )
        self.chat_messages.add(message, partner=recipient, role="assistant", speaker=self.name)
        formats_texts = self.client is not None and self.client.formats_texts
        self._agentchat.emitter.emit_message(
            message, to=recipient, silent=silent, format_texts=formats_texts, visible=self._agentchat.visible
        )
        call_method(recipient, "receive", message, self, request_reply, silent)

    def receive(
        self, message: Message | str, sender: Agent, request_reply: bool | None = None, silent: bool | None = False
    ) -> None:
        """Receive another agent's message, and reply if a reply is requested (see `send`)."""
        self._process_received_message(message, sender, bool(silent))
        if self.reply_at_receive[sender] if request_reply is None else request_reply:
            converse(self, sender, silent=bool(silent))

    def _process_received_message(self, message: Message | str, sender: Agent, silent: bool) -> None:
        """Remember a message. Classic programs override this to show it in a page of their own."""
        self.chat_messages.add(message, partner=sender, role="user", speaker=sender.name)
        self._agentchat.emitter.set_silent_with(sender, silent)

    def initiate_chats(self, chat_queue: Sequence[sequence.Chat]) -> list[ChatResult]:
        """Start several chats, one after the other (see `chats.sequence`)."""
        results = self._finished_chats = sequence.initiate_chats(sequence.with_sender(chat_queue, self))
        return results

    async def a_initiate_chats(self, chat_queue: Sequence[sequence.Chat]) -> dict[int, ChatResult]:
        """Start several chats, each as soon as those that it waits for are over."""
        results = self._finished_chats = await sequence.a_initiate_chats(sequence.with_sender(chat_queue, self))
        return results

    def get_chat_results(self, chat_index: int | None = None) -> Any:
        """The results of the last queue of chats: all, or one, by its index or its `chat_id`."""
        return self._finished_chats if chat_index is None else self._finished_chats[chat_index]

    def _begin_chat_with(self, recipient: ReplyingAgent, *, clear_history: bool, reply_at_receive: bool) -> int:
        """Get ready for a chat that this agent starts, on both sides; return its number."""
        self._prepare_for_chat(recipient, clear_history=clear_history, reply_at_receive=reply_at_receive)
        recipient._prepare_for_chat(self, clear_history=clear_history, reply_at_receive=reply_at_receive)
        self._agentchat.chats_started += 1
        return self._agentchat.chats_started

    def _prepare_for_chat(self, partner: Agent, *, clear_history: bool, reply_at_receive: bool) -> None:
        """Get ready for a new chat with a partner."""
        self._agentchat.auto_replies.reset(partner)
        self.reply_at_receive[partner] = reply_at_receive
        if clear_history:
            self.chat_messages[partner] = []  # results of earlier chats keep theirs
            self._agentchat.human_input = []

    # --- replying ---------------------------------------------------------------------------------------------------

    def check_termination_and_human_reply(
        self, messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Reply]:
        """End the chat, or reply with what the user types, or let the next reply function answer."""
        return human_reply(self, messages, sender)

    def generate_function_call_reply(
        self, messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Reply]:
        """Run the function call of the last message, if it has one; reply with its result."""
        return function_call_reply(self, messages, sender)

    def generate_tool_calls_reply(
        self, messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
    ) -> tuple[bool, Reply]:
        """Run the tool calls of the last message, if it has any; reply with their results."""
        return tool_calls_reply(self, messages, sender)

    def generate_oai_reply(
        self,
        messages: list[Message] | None = None,
        sender: Agent | None = None,
        config: OpenAIWrapper | None = None,
    ) -> tuple[bool, Reply]:
        """Let the model answer, if there is one. `config` is another model, to be asked instead."""
        return model_reply(self, messages, sender, config)

    def generate_reply(
        self, /, messages: list[Message] | None = None, sender: Agent | None = None, **kwargs: Any
    ) -> Reply:
        """The reply to `messages`, or to the last message of `sender`; None if the chat is over.

        Blocks until the model, a tool or the user has answered. `exclude` is a list of reply functions not to ask.
        """
        received = self._agentchat.hooks.received(self._messages_with(sender) if messages is None else messages)
        for entry in self._agentchat.replies.for_sender(sender, exclude=kwargs.get("exclude") or ()):
            final, reply = entry.result(
                resolve(entry.function(self, messages=received, sender=sender, config=entry.config))
            )
            if final:
                return reply  # type: ignore[no-any-return]  # a reply function may return anything
        if received:
            warn_of_code(self, received[-1])
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
        """Ask `reply_func` about messages whose sender matches the trigger, first of all unless `position` says else.

        It is called as `reply_func(agent, messages=…, sender=…, config=…)`, returns `(final, reply)`, and may be async;
        with `ignore_async_in_sync_chat` it is asked only in chats that an `a_` method started.
        """
        entry = RegisteredReply(
            function=reply_func,
            trigger=trigger,
            initial_config=config,
            reset_config=reset_config,
            async_chats_only=ignore_async_in_sync_chat,
        )
        if remove_other_reply_funcs:
            self._agentchat.replies.clear()
        self._agentchat.replies.insert(position, entry)

    def replace_reply_func(self, old_reply_func: ReplyFunction, new_reply_func: ReplyFunction) -> None:
        """Ask the new function instead of the old one."""
        self._agentchat.replies.replace(old_reply_func, new_reply_func)

    def register_hook(self, hookable_method: str, hook: Hook) -> None:
        """Let a function change received or sent messages (see `agents.hooks`)."""
        self._agentchat.hooks.register(hookable_method, hook)

    def get_human_input(self, prompt: str) -> str:
        """What the user answers. Blocks until then, or unwinds the agent function (`errors.RunInterrupt`)."""
        text = IOStream.get_default().input(prompt)
        self._agentchat.human_input.append(text)
        return text

    @property
    def silent(self) -> bool | None:
        return self._agentchat.emitter.silent

    @silent.setter
    def silent(self, silent: bool | None) -> None:
        self._agentchat.emitter.silent = silent

    def max_consecutive_auto_reply(self, sender: Agent | None = None) -> int:
        return self._agentchat.auto_replies.limit(sender)

    def update_max_consecutive_auto_reply(self, value: int, sender: Agent | None = None) -> None:
        """Set the limit for one partner, or for all."""
        self._agentchat.auto_replies.set_limit(value, sender)

    def reset_consecutive_auto_reply_counter(self, sender: Agent | None = None) -> None:
        """Count from 0 again, for one partner or for all."""
        if sender is None:
            self._agentchat.auto_replies.reset_all()
        else:
            self._agentchat.auto_replies.reset(sender)

    def stop_reply_at_receive(self, sender: Agent | None = None) -> None:
        """Reply only when asked to, to one partner or to all."""
        if sender is None:
            self.reply_at_receive.clear()
        else:
            self.reply_at_receive[sender] = False

    # --- tools (see also `ToolRegistration`) ------------------------------------------------------------------------

    def execute_function(self, func_call: Mapping[str, Any], verbose: bool = False) -> tuple[bool, dict[str, Any]]:
        """Run one call, `{"name": …, "arguments": <JSON>}`, and emit nothing.

        Return whether it succeeded, and the result as a message of the role "function". `verbose` prints both.
        """
        return run_function(self, func_call, verbose=verbose)

    # --- the model --------------------------------------------------------------------------------------------------

    def register_model_client(self, model_client_cls: Callable[..., ModelClient], **kwargs: Any) -> None:
        """Ask an object of this class where an entry of the `llm_config` names it. Raise ConfigError if none does."""
        if self.client is None:
            raise ConfigError(f"agent {self.name!r} has no llm_config, so its model client would never be used")
        self.client.register_model_client(model_client_cls, **kwargs)

    def get_actual_usage(self) -> dict[str, Any] | None:
        """What its model has used, by model, with costs in US dollars (see `llm.usage`); None if it was not asked."""
        return self._agentchat.usage.actual

    def get_total_usage(self) -> dict[str, Any] | None:
        """The same with the answers that came from a cache."""
        return self._agentchat.usage.total

    def print_usage_summary(self, mode: str | Sequence[str] = ("actual", "total")) -> None:
        if self.client is None:
            text = f"No cost incurred from agent '{self.name}'."
        else:
            text = f"Agent '{self.name}':\n{self._agentchat.usage.as_text(mode)}"
        IOStream.get_default().print(text, flush=True)

    # --- history ------------------------------------------------------------------------------------------------------

    def _messages_with(self, partner: Agent | None) -> list[Message]:
        """The messages with a partner, as this agent remembers them. Raise SenderRequired without a partner."""
        if partner is None:
            raise SenderRequired("nothing to reply to: pass `messages` or a `sender`")
        return self.chat_messages[partner]

    def chat_messages_for_summary(self, agent: Agent) -> list[Message]:
        """The messages that a summary of the chat with a partner is made of."""
        return self.chat_messages[agent]

    def last_message(self, agent: Agent | None = None) -> Message | None:
        """The last message with a partner, who may be left out if there is only one; None if there is no message.

        Raise KeyError for a partner without messages, ValueError if there are several to choose from.
        """
        if agent is not None:
            if not self.chat_messages.get(agent):
                raise KeyError(f"agent {self.name!r} has not chatted with {agent.name!r}")
            return self.chat_messages[agent][-1]
        talks = [messages for messages in self.chat_messages.values() if messages]
        if len(talks) > 1:
            raise ValueError(f"agent {self.name!r} has chatted with {len(talks)} agents: pass the one you mean")
        return talks[0][-1] if talks else None

    def clear_history(self, recipient: Agent | None = None, nr_messages_to_preserve: int | None = None) -> None:
        """Forget the messages with a partner, or with all, except the newest."""
        self.chat_messages.forget(recipient, keep=nr_messages_to_preserve or 0)

    def update_system_message(self, system_message: str) -> None:
        self.system_message = system_message

    def reset(self) -> None:
        """Return to the initial state, but keep what was registered."""
        self.chat_messages.clear()
        self._agentchat.auto_replies.reset_all()
        self.stop_reply_at_receive()
        self._agentchat.usage.clear()
        self._agentchat.replies.reset()

    # --- the same, awaited ------------------------------------------------------------------------------------------

    a_send = async_version(send)
    a_receive = async_version(receive)
    a_generate_reply = async_version(generate_reply)
    a_get_human_input = async_version(get_human_input)
    a_execute_function = async_version(execute_function)
    a_check_termination_and_human_reply = async_version(check_termination_and_human_reply)
    a_generate_function_call_reply = async_version(generate_function_call_reply)
    a_generate_tool_calls_reply = async_version(generate_tool_calls_reply)
    a_generate_oai_reply = async_version(generate_oai_reply)


def _check(name: str, human_input_mode: str, code_execution_config: Any, llm_config: Any) -> None:
    """Raise ConfigError for an agent that cannot work."""
    if not name:
        raise ConfigError("an agent needs a name")
    if human_input_mode not in get_args(HumanInputMode):
        raise ConfigError(f"human_input_mode {human_input_mode!r}: use one of {', '.join(get_args(HumanInputMode))}")
    if code_execution_config not in (False, None):
        raise ConfigError(
            f"agent {name!r}: code_execution_config is not supported, because model-written code would run with "
            "all rights of this process; set it to False, and register the functions that are needed as tools"
        )
    if llm_config and not isinstance(llm_config, Mapping):
        raise ConfigError(f"agent {name!r}: llm_config is {llm_config!r}; use a dict, llm_config(), or False")
    if isinstance(llm_config, Mapping):
        try:
            check_models(llm_config)
        except ConfigError as error:
            raise ConfigError(f"agent {name!r} would have no model: {error}. Set llm_config=False for none") from None

"""The agent: something that sends, receives and replies.

What it replies is decided by its reply functions, in this order: is the chat over or does the person want a word, are
there tool calls to run, does its model answer; else `default_auto_reply`. Each of these lives in a file of its own.

Agents are plain synchronous objects that belong to one thread. Neither chance nor the time decides what they do: called
again with the same recorded steps, they say the same.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from agentchat.agents import chat, human, model, tool_calls
from agentchat.agents.base import Agent, HumanInputMode, Message, Reply, ReplyFunction, Trigger
from agentchat.agents.history import Histories, as_message, text_of
from agentchat.agents.replies import ReplyFunctions
from agentchat.agents.telling import message_events
from agentchat.errors import ConfigError
from agentchat.events import Event
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.llm.usage import Totals
from agentchat.tools import Tool, tool_of
from agentchat.tools.execution import ToolCalls


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

    check_termination_and_human_reply = human.check_termination_and_human_reply
    generate_tool_calls_reply = tool_calls.generate_tool_calls_reply
    generate_oai_reply = model.generate_oai_reply

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
        self._replies = ReplyFunctions()
        self._human_input: list[str] = []
        self._silent_with: dict[Agent, bool] = {}
        self._told: Message | str | None = None
        self._chats_begun = 0
        self.register_function(function_map or {})
        for reply_function in (
            ConversableAgent.generate_oai_reply,
            ConversableAgent.generate_tool_calls_reply,
            ConversableAgent.check_termination_and_human_reply,
        ):
            self.register_reply([Agent, None], reply_function)

    # --- chatting ---------------------------------------------------------------------------------------------------

    def initiate_chat(
        self,
        recipient: "ConversableAgent",
        clear_history: bool = True,
        silent: bool = False,
        cache: None = None,
        max_turns: int | None = None,
        summary_method: chat.SummaryMethod = "last_msg",
        summary_args: Mapping[str, Any] | None = None,
        message: chat.Opening = None,
        **context: Any,
    ) -> chat.ChatResult:
        """Send the first message and let the two talk until the chat ends; blocks until then.

        `message` is the first message, a list of messages of which only the last is new, or a function of (sender,
        recipient, context); None asks the person. `max_turns` is the number of messages that each sends at most.
        `silent`: nobody hears it.
        """
        if cache is not None:
            raise ConfigError("initiate_chat(cache=…): answers are not cached; leave it out")
        if max_turns is not None and max_turns < 1:
            raise ConfigError(f"initiate_chat(max_turns={max_turns}): a chat has one turn at least")
        chat.check_summary_method(summary_method, self, recipient)
        for one, other in ((self, recipient), (recipient, self)):
            one.prepare_chat(other, clear_history=clear_history, reply_at_receive=max_turns is None)
        self._chats_begun += 1
        if isinstance(message, list):
            *before, message = message or [{}]
            chat.recall(before, sender=self, recipient=recipient)
        if callable(message):
            opening = message(self, recipient, context)
        else:
            opening = self.generate_init_message(message, **context)
        self.send(opening, recipient, request_reply=False, silent=silent)
        chat.converse(recipient, self, silent=silent, replies=None if max_turns is None else 2 * max_turns - 1)
        return chat.ChatResult(
            chat_id=self._chats_begun,
            chat_history=list(self.chat_messages[recipient]),
            summary=chat.summarise(summary_method, summary_args or {}, self, recipient),
            cost=chat.cost_of([self, recipient]),
            human_input=list(self._human_input),
        )

    def generate_init_message(self, message: Message | str | None, **context: Any) -> Message | str:
        """The first message of a chat; without one, what the person types. `context` is for those who override it."""
        return self.get_human_input(">") if message is None else message

    def prepare_chat(self, partner: Agent, *, clear_history: bool, reply_at_receive: bool) -> None:
        """Get ready for a new chat with a partner."""
        self.auto_replies.reset(partner)
        self.reply_at_receive[partner] = reply_at_receive
        if clear_history:
            self.chat_messages[partner] = []  # results of earlier chats keep theirs
            self._human_input = []

    def send(
        self, message: Message | str, recipient: Agent, request_reply: bool | None = None, silent: bool = False
    ) -> None:
        """Say something to another agent, and to whoever listens unless `silent`.

        With `request_reply` the recipient replies at once, and this blocks until the two have no more to say; None
        leaves that to the recipient (`reply_at_receive`). Raise ValueError if nothing is said in the message.
        """
        self.chat_messages.add(message, partner=recipient, role="assistant", speaker=self.name)
        told, self._told = message is self._told, None
        if not told and not self._is_silent(silent):
            for event in message_events(as_message(message), name=self.name, to=recipient.name):
                send_to(IOStream.get_default(), event)
        recipient.receive(message, self, request_reply, silent)

    def receive(
        self, message: Message | str, sender: Agent, request_reply: bool | None = None, silent: bool = False
    ) -> None:
        """Hear what another agent says, and reply if a reply is wanted (see `send`)."""
        self.chat_messages.add(message, partner=sender, role="user", speaker=sender.name)
        self._silent_with[sender] = silent
        if self.reply_at_receive[sender] if request_reply is None else request_reply:
            chat.converse(self, sender, silent=silent)

    # --- replying ---------------------------------------------------------------------------------------------------

    def generate_reply(
        self, messages: list[Message] | None = None, sender: Agent | None = None, **kwargs: Any
    ) -> Reply:
        """The reply to `messages`, or to what `sender` said last; None if there is nothing more to say.

        Blocks while the model, a tool or the person takes its time. `exclude` is a list of reply functions not to ask.
        """
        said = self.messages_with(sender) if messages is None else messages
        for entry in self._replies.for_sender(sender, exclude=kwargs.get("exclude") or ()):
            final, reply = entry.function(self, messages=said, sender=sender, config=entry.config)
            if final:
                return reply
        return self.default_auto_reply

    def register_reply(
        self,
        trigger: Trigger,
        reply_func: ReplyFunction,
        position: int = 0,
        config: Any = None,
        reset_config: Callable[[Any], None] | None = None,
        *,
        remove_other_reply_funcs: bool = False,
    ) -> None:
        """Ask `reply_func` about messages whose sender matches the trigger, before all others unless `position` says.

        It is called as `reply_func(agent, messages=…, sender=…, config=…)` and returns `(final, reply)`.
        """
        if remove_other_reply_funcs:
            self._replies.clear()
        self._replies.register(trigger, reply_func, position=position, config=config, reset_config=reset_config)

    def replace_reply_func(self, old_reply_func: ReplyFunction, new_reply_func: ReplyFunction) -> None:
        """Ask the new function wherever the old one was asked."""
        self._replies.replace(old_reply_func, new_reply_func)

    def get_human_input(self, prompt: str) -> str:
        """What the person answers. Blocks until then, or unwinds the agent function (`errors.Unwound`)."""
        words = IOStream.get_default().input(prompt)
        self._human_input.append(words)
        return words

    def max_consecutive_auto_reply(self, sender: Agent | None = None) -> int:
        return self.auto_replies.limit(sender)

    def update_max_consecutive_auto_reply(self, value: int, sender: Agent | None = None) -> None:
        """Set the limit for one partner, or for all."""
        self.auto_replies.set_limit(value, sender)

    def stop_reply_at_receive(self, sender: Agent | None = None) -> None:
        """Reply only when asked to, to one partner or to all."""
        if sender is None:
            self.reply_at_receive.clear()
        else:
            self.reply_at_receive[sender] = False

    # --- tools ------------------------------------------------------------------------------------------------------

    def register_for_llm(
        self, *, name: str | None = None, description: str | None = None, api_style: Literal["tool"] = "tool"
    ) -> Callable[[Callable[..., Any]], Tool]:
        """Decorate a function that this agent's model may ask for. What comes of it is called as the function is."""
        if not self.llm_config:
            raise ConfigError(f"agent {self.name!r} has no llm_config: nobody there could ask for a tool")
        if api_style != "tool":
            raise ConfigError(f"api_style {api_style!r}: models are told of tools only; leave it out")
        config = self.llm_config

        def register(function: Callable[..., Any]) -> Tool:
            tool = tool_of(function, name=name, description=description)
            schema = tool.schema()
            others = [known for known in config.get("tools", ()) if known["function"]["name"] != tool.name]
            config["tools"] = [*others, schema]
            return tool

        return register

    def register_for_execution(
        self, name: str | None = None, *, retry_safe: bool | None = None, timeout: float | None = None
    ) -> Callable[[Callable[..., Any]], Tool]:
        """Decorate a function that this agent runs when another one's model asks for it (see `register_function`)."""

        def register(function: Callable[..., Any]) -> Tool:
            tool = tool_of(function, name=name, retry_safe=retry_safe, timeout=timeout)
            self.tools[tool.name] = tool
            return tool

        return register

    def register_function(self, function_map: Mapping[str, Callable[..., Any] | None]) -> None:
        """Run these functions under these names; None takes a name away."""
        for name, function in function_map.items():
            if function is None:
                self.tools.pop(name, None)
            else:
                self.register_for_execution(name)(function)

    @property
    def function_map(self) -> dict[str, Callable[..., Any]]:
        """The functions that this agent runs, by the names that models know."""
        return {name: tool.function for name, tool in self.tools.items()}

    # --- remembering ------------------------------------------------------------------------------------------------

    def messages_with(self, partner: Agent | None) -> list[Message]:
        """What was said with a partner, as this agent remembers it. Raise ValueError without a partner."""
        if partner is None:
            raise ValueError("a reply needs something to reply to: give `messages` or a `sender`")
        return self.chat_messages[partner]

    def last_message(self, agent: Agent | None = None) -> Message:
        """The last message with a partner, who may be left out if there is only one. Raise ValueError without any."""
        known = list(self.chat_messages.values()) if agent is None else [self.chat_messages[agent]]
        if len(known) != 1 or not known[0]:
            raise ValueError(f"agent {self.name!r} has {len(known)} partners here: name one that it has talked with")
        return known[0][-1]

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
        self.spent = Totals()
        self._replies.reset()

    # --- what the reply functions need ------------------------------------------------------------------------------

    def tell(self, event: Event, *, to: Agent | None) -> None:
        """Say what happens while this agent replies to a partner, unless their chat is silent."""
        if not self.is_silent_with(to):
            send_to(IOStream.get_default(), event)

    def has_told(self, reply: Message | str) -> Message | str:
        """Give back a reply that was told while it was written, so that sending it does not tell it again."""
        self._told = reply
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

    def _is_silent(self, silent: bool) -> bool:
        return silent if self.silent is None else self.silent


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

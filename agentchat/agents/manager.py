"""The manager of a group chat: the one whom all members talk to.

It passes on what each says to all others, and lets the group chat choose who speaks next. To whoever begins the chat it
is one agent like any other; so it may be a member of another group chat, and answers there with what came of its own.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from agentchat.agents import saved_messages
from agentchat.agents.base import Agent, HumanInputMode, Message, Reply
from agentchat.agents.clearing import clearing_in
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.groupchat import GroupChat
from agentchat.agents.history import text_of
from agentchat.agents.twins import called, twin_of
from agentchat.errors import ConfigError
from agentchat.events import Notice
from agentchat.io import IOStream

logger = logging.getLogger("agentchat.agents")


class GroupChatManager(ConversableAgent):
    """The agent to begin a group chat with: `agent.initiate_chat(manager, message=…)`.

    Its `llm_config` is the model that "auto" selection asks, its `is_termination_msg` ends the chat. `silent=True`:
    nobody hears the members. It has no tools. Make it, and its group chat, in the agent function: they hold what was
    said.
    """

    def __init__(
        self,
        groupchat: GroupChat,
        name: str | None = "chat_manager",
        max_consecutive_auto_reply: int | None = sys.maxsize,
        human_input_mode: HumanInputMode = "NEVER",
        system_message: str | None = "Group chat manager.",
        silent: bool = False,
        **kwargs: Any,
    ) -> None:
        llm_config = kwargs.get("llm_config") or {}
        if llm_config.get("tools") or llm_config.get("functions"):
            raise ConfigError(
                "a GroupChatManager calls no tools: take them out of its llm_config, give them to members"
            )
        super().__init__(
            name or "chat_manager",
            system_message,
            max_consecutive_auto_reply=max_consecutive_auto_reply,
            human_input_mode=human_input_mode,
            silent=True if silent else None,
            **kwargs,
        )
        self._groupchat = groupchat
        self._last_speaker: Agent | None = None
        self.register_reply(Agent, type(self).run_chat, config=groupchat, reset_config=GroupChat.reset)

    @property
    def groupchat(self) -> GroupChat:
        return self._groupchat

    @property
    def last_speaker(self) -> Agent | None:
        """Who said the last message. Members get all messages from the manager, and find here whose they are."""
        return self._last_speaker

    # --- the chat ---------------------------------------------------------------------------------------------------

    def run_chat(
        self, messages: list[Message] | None = None, sender: Agent | None = None, config: GroupChat | None = None
    ) -> tuple[bool, Reply]:
        """The manager's first reply function: let the members talk until the chat is over; blocks until then.

        The sender's last message opens it. `config` is the group chat, for those who put another function in place.
        """
        message, speaker = (self.messages_with(sender) if messages is None else messages)[-1], sender
        if speaker is None:
            raise ValueError("a group chat is opened by an agent: give a `sender`")
        silent, outcome = self.is_silent_with(sender), ""
        if self.groupchat.send_introductions:
            self._broadcast({"content": self.groupchat.introductions_msg()}, silent=silent)
        for rest in reversed(range(self.groupchat.max_round)):
            self._last_speaker = speaker
            self.groupchat.append(message, speaker)
            message = self.groupchat.messages[-1]
            self._broadcast(message, but=speaker, silent=silent)
            if rest == 0 or self.is_termination_msg(message):
                break
            speaker, reply = self._next_turn(speaker, sender)
            if speaker is None or reply is None:
                break
            called(speaker, "send", self._obeyed(reply), self, request_reply=False, silent=silent)
            message = self.messages_with(speaker)[-1]
            outcome = _words_of(message) or outcome
        # To another group chat, of which this one is a member, its last words are the reply. They are told already.
        return True, self.has_told(outcome) if outcome and isinstance(sender, GroupChatManager) else None

    def _next_turn(self, last_speaker: Agent, sender: Agent | None) -> tuple[Agent | None, Reply]:
        """Who speaks next, and what they say; no speaker if nobody does."""
        try:
            speaker = called(self.groupchat, "select_speaker", last_speaker, self)
            if speaker is None:
                return None, None
            self.tell(Notice(text=f"Next speaker: {speaker.name}\n"), to=sender)
            return speaker, called(speaker, "generate_reply", sender=self)
        except KeyboardInterrupt:
            admin = self.groupchat.agent_by_name(self.groupchat.admin_name)
            if admin is None:
                raise
            return admin, called(admin, "generate_reply", sender=self)

    def _broadcast(self, message: Message, *, but: Agent | None = None, silent: bool) -> None:
        """Let all members remember a message, except who said it.

        It is not sent as the manager's own words are: whoever listens has heard it from the speaker.
        """
        for agent in self.groupchat.agents:
            if agent is not but:
                heard = self._hooks.sent(message, sender=self, recipient=agent, silent=True)
                self.chat_messages.add(heard, partner=agent, role="assistant", speaker=self.name)
                called(agent, "receive", heard, self, request_reply=False, silent=silent)

    # --- clearing histories -----------------------------------------------------------------------------------------

    def _obeyed(self, reply: Message | str) -> Message | str:
        """The reply, without the command to clear histories if it holds one: that is done now.

        Only a person's words and a tool's result are commands; what a model says alone is a plain text.
        """
        if not self.groupchat.enable_clear_history or isinstance(reply, str) or _calls(reply):
            return reply
        if clearing_in(text_of(reply.get("content")), self.groupchat.agents) is None:
            return reply
        return {**reply, "content": self.clear_agents_history(reply, self.groupchat)}

    def clear_agents_history(self, reply: Message, groupchat: GroupChat) -> str:
        """Do what the command "clear history" in a reply says (see `clearing`); return its text without the command."""
        text = text_of(reply.get("content"))
        command = clearing_in(text, groupchat.agents)
        if command is None:
            return text
        keep = command.keep
        if "tool_responses" in reply and not keep:
            keep = 1  # models refuse a tool's result without its call
        whom = "all agents" if command.agent is None else command.agent.name
        but = f" except last {keep} messages" if keep else ""
        IOStream.get_default().print(f"Clearing history for {whom}{but}.")
        if command.agent is None:
            del groupchat.messages[: len(groupchat.messages) - keep]
        for agent in groupchat.agents if command.agent is None else [command.agent]:
            if isinstance(agent, ConversableAgent):
                agent.clear_history(nr_messages_to_preserve=keep)
        return command.rest

    # --- what was said ----------------------------------------------------------------------------------------------

    def prepare_chat(self, partner: Agent, *, clear_history: bool, reply_at_receive: bool) -> None:
        """Get ready for a new chat with a partner, the members too."""
        super().prepare_chat(partner, clear_history=clear_history, reply_at_receive=reply_at_receive)
        if clear_history:
            self.groupchat.reset()
        for agent in self.groupchat.agents:
            if isinstance(agent, ConversableAgent):
                agent.prepare_chat(self, clear_history=clear_history, reply_at_receive=reply_at_receive)

    def last_message(self, agent: Agent | None = None) -> Message | None:
        """The last message with a member; for anybody else, and without a name, the last of the group chat."""
        if agent in self.groupchat.agents or not self.groupchat.messages:
            return super().last_message(agent)
        return self.groupchat.messages[-1]

    def chat_messages_for_summary(self, agent: Agent) -> list[Message]:
        """What a summary is made of: all that was said, whoever asks."""
        return self.groupchat.messages

    # --- going on with an old chat ----------------------------------------------------------------------------------

    def messages_to_string(self, messages: list[Message]) -> str:
        """The messages as JSON, for `resume`. Raise ConfigError if they cannot be written so."""
        return saved_messages.to_string(messages)

    def messages_from_string(self, message_string: str) -> list[Message]:
        """The messages that `messages_to_string` wrote. Raise ConfigError if they are none."""
        return saved_messages.from_string(message_string)

    def resume(
        self,
        messages: list[Message] | str,
        remove_termination_string: str | Callable[[str], str] | None = None,
        silent: bool | None = False,
    ) -> tuple[Agent, Message]:
        """Let all members remember an old chat; return who spoke last in it, and the message to go on with:

            last, message = manager.resume(saved)
            last.initiate_chat(manager, message=message, clear_history=False)

        `messages` are the group chat's, or the JSON of `messages_to_string`. `remove_termination_string` is what made
        the last message end the chat, or a function of its text that takes it out. Raise ConfigError for messages that
        are none, or by agents who are not here.
        """
        saved = saved_messages.from_string(messages) if isinstance(messages, str) else saved_messages.checked(messages)
        if not saved:
            raise ConfigError("resume: there are no messages; begin a new chat with initiate_chat(…)")
        speakers = [self._speaker_of(message) for message in saved]
        for agent in (*self.groupchat.agents, self):
            if isinstance(agent, ConversableAgent):
                agent.clear_history()
        self.groupchat.reset()
        self.groupchat.send_introductions = False
        for message, speaker in zip(saved[:-1], speakers, strict=False):
            self._recall(message, speaker)
        last = saved[-1]
        if last["content"] and remove_termination_string is not None:
            last["content"] = _without(remove_termination_string, text_of(last["content"]))
        if self.is_termination_msg(last):
            logger.warning("resume: the last message ends the chat: take that out with remove_termination_string=…")
        if not silent:
            line = f"Prepared group chat with {len(saved)} messages, the last speaker is {speakers[-1].name}"
            self.tell(Notice(text=line), to=None)
        return speakers[-1], last

    a_resume = twin_of(resume)

    def _speaker_of(self, message: Message) -> Agent:
        """Who said a saved message. One without a name, or by the admin, counts as the manager's."""
        name = message.setdefault("name", self.name)
        if (agent := self.groupchat.agent_by_name(name)) is not None:
            return agent
        if name in (self.name, self.groupchat.admin_name):
            return self
        members = ", ".join(self.groupchat.agent_names)
        raise ConfigError(f"resume: a message is by {name!r}, who is not in the group chat: its members are {members}")

    def _recall(self, message: Message, speaker: Agent) -> None:
        """Let everybody remember a message as if it had been said in this chat."""
        self.groupchat.messages.append({**message, "content": text_of(message["content"])})
        message = self.groupchat.messages[-1]
        if isinstance(speaker, ConversableAgent) and speaker is not self:
            speaker.chat_messages.add(message, partner=self, role="assistant", speaker=speaker.name)
            self.chat_messages.add(message, partner=speaker, role="user", speaker=speaker.name)
        self._broadcast(message, but=speaker, silent=False)


def _words_of(message: Message) -> str:
    """A message's text, without the signal that ends this chat: another one must not end with it."""
    return text_of(message["content"]).replace("TERMINATE", "").strip()


def _calls(message: Message) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _without(termination: str | Callable[[str], str], text: str) -> str:
    return text.replace(termination, "") if isinstance(termination, str) else termination(text)

"""The manager of a group chat: the agent that all members exchange messages with.

It broadcasts each message to the other members, and lets the group chat choose who speaks next. To the agent that
starts the chat it is an agent like any other; so it may be a member of another group chat, and replies there with the
outcome of its own.
"""

import sys
from collections.abc import Callable
from typing import Any

from agentchat.agents.async_api import async_version, call_method
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.group import saved_messages
from agentchat.agents.group.clear_history import find_clear_history
from agentchat.agents.group.groupchat import GroupChat
from agentchat.agents.history import text_of
from agentchat.agents.protocols import Agent, HumanInputMode, Message, Reply
from agentchat.agents.replying_agent import messages_to_answer
from agentchat.core.log import get_logger
from agentchat.errors import ConfigError, NoEligibleSpeaker, SenderRequired
from agentchat.events import Notice
from agentchat.io import IOStream

logger = get_logger("agentchat.agents")


class GroupChatManager(ConversableAgent):
    """The agent to start a group chat with: `agent.initiate_chat(manager, message=…)`.

    Its `llm_config` is the model that "auto" selection asks, its `is_termination_msg` ends the chat. `silent=True`: the
    members' messages are not emitted. It has no tools. It and its group chat hold the messages; each run gets a
    copy of those that are made at import.
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
        if not isinstance(groupchat, GroupChat):
            raise ConfigError(f"GroupChatManager(groupchat={groupchat!r}): use a GroupChat(agents=[…])")
        llm_config = kwargs.get("llm_config") or {}
        if llm_config.get("tools") or llm_config.get("functions"):
            raise ConfigError(
                "a GroupChatManager calls no tools: remove them from its llm_config, and give them to members"
            )
        super().__init__(
            name or "chat_manager",
            system_message,
            max_consecutive_auto_reply=max_consecutive_auto_reply,
            human_input_mode=human_input_mode,
            silent=True if silent else None,
            **kwargs,
        )
        chooses = groupchat.speaker_selection_method == "auto" and not groupchat.select_speaker_auto_llm_config
        if chooses and not self.llm_config:
            logger.warning(
                "GroupChatManager %r has no model to choose who speaks next, so members speak in turn: pass "
                "llm_config=llm_config(), or set speaker_selection_method='round_robin' to say so",
                self.name,
            )
        self._groupchat = groupchat
        self._last_speaker: Agent | None = None
        self.register_reply(Agent, type(self).run_chat, config=groupchat, reset_config=GroupChat.reset)

    @property
    def groupchat(self) -> GroupChat:
        return self._groupchat

    @property
    def last_speaker(self) -> Agent | None:
        """Who sent the last message. Members get all messages from the manager, and find the speaker here."""
        return self._last_speaker

    # --- the chat ---------------------------------------------------------------------------------------------------

    def run_chat(
        self, messages: list[Message] | None = None, sender: Agent | None = None, config: GroupChat | None = None
    ) -> tuple[bool, Reply]:
        """The manager's first reply function: let the members speak until the chat is over; blocks until then.

        The sender's last message starts it. `config` is the group chat, for callers who replace this function.
        """
        message, speaker = messages_to_answer(self, messages, sender)[-1], sender
        if speaker is None:
            raise SenderRequired("a group chat is started by an agent: pass a `sender`")
        silent, outcome = self._agentchat.emitter.is_silent_with(sender), ""
        if self.groupchat.send_introductions:
            self._broadcast({"content": self.groupchat.introductions_msg()}, silent=silent)
        for rounds_left in reversed(range(self.groupchat.max_round)):
            self._last_speaker = speaker
            self.groupchat.append(message, speaker)
            message = self.groupchat.messages[-1]
            self._broadcast(message, exclude=speaker, silent=silent)
            if rounds_left == 0 or self.is_termination_msg(message):
                break
            speaker, reply = self._next_turn(speaker, sender)
            if speaker is None or reply is None:
                break
            call_method(speaker, "send", self._without_command(reply), self, request_reply=False, silent=silent)
            message = self._messages_with(speaker)[-1]
            outcome = _outcome_in(message) or outcome
        if not outcome or sender is self or not isinstance(sender, GroupChatManager):
            return True, None
        # To another group chat, of which the manager is a member, the last text is the reply. It was emitted already.
        return True, self._agentchat.emitter.mark_emitted(outcome)

    def _next_turn(self, last_speaker: Agent, sender: Agent | None) -> tuple[Agent | None, Reply]:
        """Who speaks next, and the reply; no speaker if the chat is over."""
        try:
            speaker = call_method(self.groupchat, "select_speaker", last_speaker, self)
            if speaker is None:
                return None, None
            self._agentchat.emitter.emit(Notice(text=f"Next speaker: {speaker.name}\n"), to=sender)
            return speaker, call_method(speaker, "generate_reply", sender=self)
        except NoEligibleSpeaker as error:
            logger.warning("the group chat ends: no eligible speaker: %s", error)
            return None, None
        except KeyboardInterrupt:
            admin = self.groupchat.agent_by_name(self.groupchat.admin_name)
            if admin is None:
                raise
            return admin, call_method(admin, "generate_reply", sender=self)

    def _broadcast(self, message: Message, *, exclude: Agent | None = None, silent: bool) -> None:
        """Let all members remember a message, except its speaker.

        It is not emitted as the manager's own messages are: the speaker has emitted it.
        """
        for agent in self.groupchat.agents:
            if agent is not exclude:
                received = self._agentchat.hooks.sent(message, sender=self, recipient=agent, silent=True)
                self.chat_messages.add(received, partner=agent, role="assistant", speaker=self.name)
                call_method(agent, "receive", received, self, request_reply=False, silent=silent)

    # --- clearing histories -----------------------------------------------------------------------------------------

    def _without_command(self, reply: Message | str) -> Message | str:
        """The reply without the command to clear histories, if it contains one: that is carried out.

        Only the user's messages and tools' results are commands; a model's answer is a plain string.
        """
        if not self.groupchat.enable_clear_history or isinstance(reply, str) or _calls(reply):
            return reply
        if find_clear_history(text_of(reply.get("content")), self.groupchat.agents) is None:
            return reply
        return {**reply, "content": self.clear_agents_history(reply, self.groupchat)}

    def clear_agents_history(self, reply: Message, groupchat: GroupChat) -> str:
        """Carry out the command "clear history" in a reply (see `clear_history`); return its text without it."""
        text = text_of(reply.get("content"))
        command = find_clear_history(text, groupchat.agents)
        if command is None:
            return text
        keep = command.keep
        if "tool_responses" in reply and not keep:
            keep = 1  # models refuse a tool's result without its call
        whom = "all agents" if command.agent is None else command.agent.name
        exception = f" except last {keep} messages" if keep else ""
        IOStream.get_default().print(f"Clearing history for {whom}{exception}.")
        if command.agent is None:
            del groupchat.messages[: len(groupchat.messages) - keep]
        for agent in groupchat.agents if command.agent is None else [command.agent]:
            if isinstance(agent, ConversableAgent):
                agent.clear_history(nr_messages_to_preserve=keep)
        return command.rest

    # --- messages ---------------------------------------------------------------------------------------------------

    def _prepare_for_chat(self, partner: Agent, *, clear_history: bool, reply_at_receive: bool) -> None:
        """Get ready for a new chat with a partner, the members too."""
        super()._prepare_for_chat(partner, clear_history=clear_history, reply_at_receive=reply_at_receive)
        if clear_history:
            self.groupchat.reset()
        for agent in self.groupchat.agents:
            if isinstance(agent, ConversableAgent):
                agent._prepare_for_chat(self, clear_history=clear_history, reply_at_receive=reply_at_receive)

    def last_message(self, agent: Agent | None = None) -> Message | None:
        """The last message with a member; for any other agent, and without one, the last of the group chat."""
        if agent in self.groupchat.agents or not self.groupchat.messages:
            return super().last_message(agent)
        return self.groupchat.messages[-1]

    def chat_messages_for_summary(self, agent: Agent) -> list[Message]:
        """The messages that a summary is made of: all of the group chat, for any agent."""
        return self.groupchat.messages

    # --- resuming a saved chat --------------------------------------------------------------------------------------

    def messages_to_string(self, messages: list[Message]) -> str:
        """The messages as JSON, for `resume`. Raise ConfigError if they cannot be serialized."""
        return saved_messages.to_string(messages)

    def messages_from_string(self, message_string: str) -> list[Message]:
        """The messages that `messages_to_string` wrote. Raise ConfigError if the text is not that."""
        return saved_messages.from_string(message_string)

    def resume(
        self,
        messages: list[Message] | str,
        remove_termination_string: str | Callable[[str], str] | None = None,
        silent: bool | None = False,
    ) -> tuple[Agent, Message]:
        """Let all members remember a saved chat; return who spoke last in it, and the message to continue with:

            last, message = manager.resume(saved)
            last.initiate_chat(manager, message=message, clear_history=False)

        `messages` are the group chat's, or the JSON of `messages_to_string`. `remove_termination_string` is the text
        that made the last message end the chat, or a function that removes it. Raise ConfigError for invalid messages,
        or messages from agents that are not members.
        """
        saved = (
            saved_messages.from_string(messages) if isinstance(messages, str) else saved_messages.validated(messages)
        )
        if not saved:
            raise ConfigError("resume: there are no messages; start a new chat with initiate_chat(…)")
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
            last["content"] = _remove_termination(remove_termination_string, text_of(last["content"]))
        if self.is_termination_msg(last):
            logger.warning("resume: the last message ends the chat: remove its ending with remove_termination_string=…")
        if not silent:
            line = f"Prepared group chat with {len(saved)} messages, the last speaker is {speakers[-1].name}"
            self._agentchat.emitter.emit(Notice(text=line), to=None)
        return speakers[-1], last

    a_resume = async_version(resume)

    def _speaker_of(self, message: Message) -> Agent:
        """Who sent a saved message. One without a name, or from the admin, counts as the manager's."""
        name = message.setdefault("name", self.name)
        if (agent := self.groupchat.agent_by_name(name)) is not None:
            return agent
        if name in (self.name, self.groupchat.admin_name):
            return self
        members = ", ".join(self.groupchat.agent_names)
        raise ConfigError(
            f"resume: a message is from {name!r}, who is not in the group chat; its members are {members}"
        )

    def _recall(self, message: Message, speaker: Agent) -> None:
        """Let all members remember a message as if it had been sent in this chat."""
        self.groupchat.messages.append({**message, "content": text_of(message["content"])})
        message = self.groupchat.messages[-1]
        if isinstance(speaker, ConversableAgent) and speaker is not self:
            speaker.chat_messages.add(message, partner=self, role="assistant", speaker=speaker.name)
            self.chat_messages.add(message, partner=speaker, role="user", speaker=speaker.name)
        self._broadcast(message, exclude=speaker, silent=False)


def _outcome_in(message: Message) -> str:
    """A message's text, without the signal that ends this chat: it must not end an outer one too."""
    return text_of(message["content"]).replace("TERMINATE", "").strip()


def _calls(message: Message) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _remove_termination(termination: str | Callable[[str], str], text: str) -> str:
    return text.replace(termination, "") if isinstance(termination, str) else termination(text)

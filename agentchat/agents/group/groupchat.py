"""A group chat: its members, its messages, and who speaks next.

It only decides; its manager (`manager.py`) sends and receives. Who may speak after whom is in `transitions.py`; how one
of the eligible agents is chosen, in `speaker_selection.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from agentchat.agents.async_api import async_version, resolve
from agentchat.agents.classic_names import NOT_CALLED_IN_GROUPS, refuse_overrides
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.group import speaker_selection
from agentchat.agents.group.transitions import Repeats, Transitions, TransitionsType, check_transitions, followers
from agentchat.agents.history import text_of
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.protocols import Agent, Message
from agentchat.core.log import get_logger
from agentchat.core.per_run import PerRun
from agentchat.errors import AgentNameConflict, ConfigError, NoEligibleSpeaker, UndefinedNextAgent
from agentchat.llm.model_client import ModelClient

logger = get_logger("agentchat.agents")

SelectionMethod: TypeAlias = Literal["auto", "manual", "random", "round_robin"]

SelectionFunction: TypeAlias = Callable[[Agent, "GroupChat"], Any]
"""`(last_speaker, groupchat)` → who speaks next, the name of a selection method, or None: the chat is over. It may be
async."""

ModelClientClass: TypeAlias = Callable[..., ModelClient]


@dataclass(eq=False)
class GroupChat(PerRun):
    """Agents that speak one after the other, and each receives all messages.

    `max_round` is the number of messages, including the first. `speaker_selection_method` chooses who speaks next:
    "auto" asks a model, "manual" asks the user, "random" and "round_robin" ask neither, a function of (last speaker,
    group chat) returns the agent, a method's name, or None to end the chat. The choice is among the eligible agents
    (see `transitions`); an agent that a function returns need not be eligible. With `func_call_filter` a tool call is
    answered by an agent that can run it. On a console `admin_name` takes over at Ctrl-C. `enable_clear_history` lets
    members use the command "clear history".

    The `select_speaker_…` arguments are for "auto": the model's prompts, where `{roles}` and `{agentlist}` stand for
    the agents; `select_speaker_transform_messages` is a function that changes the messages that it reads;
    `select_speaker_auto_llm_config` is the model, instead of the manager's, and `select_speaker_auto_model_client_cls`
    the classes that its entries name, one or a list. Raise ConfigError for what cannot work.
    """

    DEFAULT_INTRO_MSG: ClassVar[str] = "Hello everyone. These are the members of this team:"

    agents: list[Agent]
    messages: list[Message] = field(default_factory=list)
    max_round: int = 10
    admin_name: str = "Admin"
    func_call_filter: bool = True
    speaker_selection_method: str | SelectionFunction = "auto"
    max_retries_for_selecting_speaker: int = 2
    allow_repeat_speaker: Repeats = None
    allowed_or_disallowed_speaker_transitions: Transitions | None = None
    speaker_transitions_type: TransitionsType = None
    enable_clear_history: bool = False
    send_introductions: bool = False
    select_speaker_message_template: str = (
        "Several agents are having a conversation:\n\n{roles}\n\n"
        "Read what they say, and choose who speaks next from {agentlist}. Answer with the name alone."
    )
    select_speaker_prompt_template: str | None = (
        "Read the conversation above, and choose who speaks next from {agentlist}. Answer with the name alone."
    )
    select_speaker_auto_multiple_template: str = (
        "You named several agents, but only one can speak. Choose who speaks next from {agentlist}: the one whose turn "
        "you wrote, if you wrote one; else the one that you called next; else the first one that you named. "
        "Answer with the name alone, without a reason."
    )
    select_speaker_auto_none_template: str = (
        "You named nobody. Choose who speaks next from {agentlist}, and spell the name exactly as it is there. "
        "Answer with the name alone, without a reason."
    )
    select_speaker_transform_messages: speaker_selection.Transform | None = None
    select_speaker_auto_verbose: bool = False
    select_speaker_auto_model_client_cls: ModelClientClass | list[ModelClientClass] | None = None
    select_speaker_auto_llm_config: Mapping[str, Any] | Literal[False] | None = None
    role_for_select_speaker_messages: str = "system"
    _selection_client: OpenAIWrapper | None = field(default=None, init=False, repr=False)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_overrides(cls, NOT_CALLED_IN_GROUPS)

    def __post_init__(self) -> None:
        if isinstance(self.speaker_transitions_type, str):
            self.speaker_transitions_type = self.speaker_transitions_type.lower()  # type: ignore[assignment]  # checked next
        check_transitions(
            self.agents,
            self.allow_repeat_speaker,
            self.allowed_or_disallowed_speaker_transitions,
            self.speaker_transitions_type,
        )
        if self.allow_repeat_speaker is None and self.allowed_or_disallowed_speaker_transitions is None:
            self.allow_repeat_speaker = True
        if not callable(self.speaker_selection_method):
            _method(self.speaker_selection_method)
        self.select_speaker_prompt_template = self.select_speaker_prompt_template or None
        _check(self)

    # --- members ---------------------------------------------------------------------------------------------------

    @property
    def agent_names(self) -> list[str]:
        return [agent.name for agent in self.agents]

    @property
    def allowed_speaker_transitions_dict(self) -> dict[Agent, list[Agent]]:
        """Who may speak after whom."""
        return {agent: self._followers(agent) for agent in self.agents}

    def agent_by_name(self, name: str, recursive: bool = False, raise_on_name_conflict: bool = False) -> Agent | None:
        """The agent of that name, if there is one; with `recursive` also in the group chats of managers among them.

        `raise_on_name_conflict`: raise AgentNameConflict if there are several.
        """
        found = [agent for agent in (self.nested_agents() if recursive else self.agents) if agent.name == name]
        if raise_on_name_conflict and len(found) > 1:
            raise AgentNameConflict(f"{len(found)} agents are named {name!r}: give each a unique name")
        return found[0] if found else None

    def nested_agents(self) -> list[Agent]:
        """The agents, and those in the group chats of managers among them."""
        return list(self._nested_agents())

    def _nested_agents(self) -> Iterator[Agent]:
        yield from self.agents
        for agent in self.agents:
            inner = getattr(agent, "groupchat", None)
            if isinstance(inner, GroupChat):
                yield from inner._nested_agents()

    def introductions_msg(self, agents: Sequence[Agent] | None = None) -> str:
        """The message that introduces the members to each other."""
        return f"{self.DEFAULT_INTRO_MSG}\n\n{self._roles(agents)}"

    def _roles(self, agents: Sequence[Agent] | None) -> str:
        for agent in self._or_members(agents):
            if not agent.description.strip():
                logger.warning(
                    "The agent '%s' has an empty description, and may not work well with GroupChat.", agent.name
                )
        return "\n".join(f"{agent.name}: {agent.description}".strip() for agent in self._or_members(agents))

    def _or_members(self, agents: Sequence[Agent] | None) -> Sequence[Agent]:
        return self.agents if agents is None else agents

    # --- messages ---------------------------------------------------------------------------------------------------

    def append(self, message: Message, speaker: Agent) -> None:
        """Keep a speaker's message, as text under its name."""
        name = message.get("name") if message.get("role") == "function" else speaker.name
        self.messages.append({**message, "name": name, "content": text_of(message.get("content"))})

    def reset(self) -> None:
        """Forget the messages."""
        self.messages.clear()

    # --- who speaks next --------------------------------------------------------------------------------------------

    def select_speaker(self, last_speaker: Agent, selector: ConversableAgent) -> Agent | None:
        """Who speaks next; None if the selection function ends the chat. Raise NoEligibleSpeaker if no one may.

        Blocks while a model or the user chooses. `selector` is the manager, whose model is asked.
        """
        chosen: Any = self.speaker_selection_method
        if callable(chosen):
            chosen = resolve(chosen(last_speaker, self))
            if chosen is None:
                return None
            if isinstance(chosen, Agent) or chosen in self.agents:
                return self._member(chosen)
        method = _method(chosen)
        eligible = self._eligible(last_speaker)
        self._warn_if_underpopulated(method, last_speaker)
        if not eligible:
            raise NoEligibleSpeaker(f"no one may speak after {last_speaker.name!r}")
        if len(eligible) == 1:
            return eligible[0]
        selected: Agent | None = None
        if method == "manual":
            selected = self.manual_select_speaker(eligible)
        elif method == "random":
            selected = self.random_select_speaker(eligible)
        elif method == "auto" and (client := self._client(selector)) is not None:
            selected = self.auto_select_speaker(client, eligible)
        return selected or self.next_agent(last_speaker, eligible)

    a_select_speaker = async_version(select_speaker)

    def next_agent(self, agent: Agent, agents: Sequence[Agent] | None = None) -> Agent:
        """The agent after another one, in the order of the group chat; among `agents`, if these are given."""
        eligible = self._or_members(agents)
        for each in eligible:
            self._member(each)
        if not eligible:
            raise UndefinedNextAgent("next_agent: no agents to choose from")
        return speaker_selection.in_turn(agent, eligible, self.agents)

    def manual_select_speaker(self, agents: Sequence[Agent] | None = None) -> Agent | None:
        """The agent that the user chooses; None if they skip the choice."""
        return speaker_selection.by_user(self._or_members(agents))

    def random_select_speaker(self, agents: Sequence[Agent] | None = None) -> Agent:
        """Any of them; the same one whenever a run is replayed."""
        return speaker_selection.at_random(self._or_members(agents))

    def auto_select_speaker(self, client: OpenAIWrapper, agents: Sequence[Agent] | None = None) -> Agent | None:
        """The agent that a model chooses; None if it cannot choose one."""
        eligible = self._or_members(agents)
        _check_names(eligible)
        names = speaker_selection.names_of(eligible)
        prompts = speaker_selection.SelectionPrompts(
            system=self.select_speaker_msg(eligible),
            question=self.select_speaker_prompt(eligible),
            several_named=self.select_speaker_auto_multiple_template.format(agentlist=names),
            none_named=self.select_speaker_auto_none_template.format(agentlist=names),
            role=self.role_for_select_speaker_messages,
        )
        return speaker_selection.by_model(
            self.messages,
            eligible,
            client,
            prompts,
            transform=self.select_speaker_transform_messages,
            max_retries=self.max_retries_for_selecting_speaker,
            verbose=self.select_speaker_auto_verbose,
        )

    def select_speaker_msg(self, agents: Sequence[Agent] | None = None) -> str:
        """The system message for the model that selects."""
        names = speaker_selection.names_of(self._or_members(agents))
        return self.select_speaker_message_template.format(roles=self._roles(agents), agentlist=names)

    def select_speaker_prompt(self, agents: Sequence[Agent] | None = None) -> str | None:
        """The question after the messages; None if there is no such prompt."""
        if self.select_speaker_prompt_template is None:
            return None
        return self.select_speaker_prompt_template.format(
            agentlist=speaker_selection.names_of(self._or_members(agents))
        )

    def _client(self, selector: ConversableAgent) -> OpenAIWrapper | None:
        """The client to ask, None if there is none. Its usage counts as the selector's, whichever model it is."""
        config = self.select_speaker_auto_llm_config
        if not config:
            return selector.client
        if self._selection_client is None:
            classes = self.select_speaker_auto_model_client_cls or []
            self._selection_client = OpenAIWrapper.of_agent(dict(config), selector._agentchat.usage)
            for one in classes if isinstance(classes, list) else [classes]:
                self._selection_client.register_model_client(one)
        return self._selection_client

    def _eligible(self, last_speaker: Agent) -> list[Agent]:
        """The agents that may speak after the last speaker."""
        if len(self.agents) < 2:
            raise ConfigError(f"a group chat needs at least two agents, not {len(self.agents)}")
        able = self._able_to_answer()
        if able is not None and len(able) == 1:
            return able
        # After a message from outside of the group, any member may speak.
        allowed = self._followers(last_speaker) if last_speaker in self.agents else list(self.agents)
        if able is None:
            return allowed
        return [agent for agent in able if agent in allowed] or able

    def _warn_if_underpopulated(self, method: SelectionMethod, last_speaker: Agent) -> None:
        repeats = self.allow_repeat_speaker
        may_repeat = last_speaker in repeats if isinstance(repeats, list) else repeats
        if len(self.agents) == 2 and method != "round_robin" and may_repeat:
            logger.warning(
                "GroupChat is underpopulated with 2 agents. Consider setting speaker_selection_method to 'round_robin' "
                "or allow_repeat_speaker to False, or use direct communication, unless repeated speaker is desired."
            )

    def _able_to_answer(self) -> list[Agent] | None:
        """The agents that can run the tools that the last message calls; None if it calls none, or no filter is set."""
        called = _called_tools(self.messages[-1]) if self.func_call_filter and self.messages else set()
        if not called:
            return None
        agents = [agent for agent in self.agents if isinstance(agent, ConversableAgent)]
        able: list[Agent] = [agent for agent in agents if agent.can_execute_function(sorted(called))]
        able = able or [agent for agent in agents if agent.function_map]
        if not able:
            names = ", ".join(sorted(called))
            raise ConfigError(f"no agent in the group chat can run {names}: register it with one of them as executor")
        return able

    def _followers(self, speaker: Agent) -> list[Agent]:
        return followers(
            speaker,
            self.agents,
            self.allow_repeat_speaker,
            self.allowed_or_disallowed_speaker_transitions,
            self.speaker_transitions_type,
        )

    def _member(self, agent: Agent) -> Agent:
        if agent not in self.agents:
            raise ConfigError(f"{agent.name!r} was chosen to speak, but is not in the group chat: add it to `agents`")
        return agent


def _called_tools(message: Message) -> set[str]:
    """The names of the tools that a message calls."""
    called = {call["function"]["name"] for call in message.get("tool_calls") or ()}
    if message.get("function_call"):
        called.add(message["function_call"]["name"])
    return called


def _method(name: Any) -> SelectionMethod:
    """The selection method of that name, in any case."""
    for method in get_args(SelectionMethod):
        if isinstance(name, str) and name.lower() == method:
            return method  # type: ignore[no-any-return]  # get_args is untyped
    raise ConfigError(
        f"speaker selection {name!r}: use one of {', '.join(get_args(SelectionMethod))}, or a function of "
        "(last_speaker, groupchat) that returns an agent, one of these names, or None to end the chat"
    )


def _check_names(agents: Sequence[Agent]) -> None:
    """Raise AgentNameConflict if a name does not say which agent is meant."""
    names = [agent.name for agent in agents]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise AgentNameConflict(
            f"several agents in the group chat are named {', '.join(twice)}, and a model chooses by name: give each a "
            f"unique name, or choose with another speaker_selection_method"
        )


def _check(groupchat: GroupChat) -> None:
    """Raise ConfigError for arguments that cannot work."""
    if others := [agent for agent in groupchat.agents if not hasattr(agent, "generate_reply")]:
        raise ConfigError(f"GroupChat(agents=…) has {others!r} in it: use a list of agents, not of names")
    if groupchat.speaker_selection_method == "auto":
        _check_names(groupchat.agents)
    if not isinstance(groupchat.max_round, int | float) or groupchat.max_round < 1:
        raise ConfigError(
            f"max_round is {groupchat.max_round!r}; it must be at least 1, because the first message is a round"
        )
    retries = groupchat.max_retries_for_selecting_speaker
    if not isinstance(retries, int) or retries < 0:
        raise ConfigError(f"max_retries_for_selecting_speaker is {retries!r}; it must be 0 or more")
    if not groupchat.role_for_select_speaker_messages:
        raise ConfigError("role_for_select_speaker_messages is empty; use 'system' or 'user'")
    if groupchat.select_speaker_auto_model_client_cls and not groupchat.select_speaker_auto_llm_config:
        raise ConfigError(
            "select_speaker_auto_model_client_cls requires a select_speaker_auto_llm_config that names it"
        )
    if (transform := groupchat.select_speaker_transform_messages) is not None and not callable(transform):
        raise ConfigError(f"select_speaker_transform_messages is {transform!r}; use a function of a list of messages")
    if (groupchat.select_speaker_auto_llm_config or {}).get("tools"):
        raise ConfigError("select_speaker_auto_llm_config has tools: the model that selects must answer with a name")
    for argument, placeholders in _TEMPLATES.items():
        _check_template(argument, getattr(groupchat, argument), placeholders)


_TEMPLATES = {
    "select_speaker_message_template": ("roles", "agentlist"),
    "select_speaker_prompt_template": ("agentlist",),
    "select_speaker_auto_multiple_template": ("agentlist",),
    "select_speaker_auto_none_template": ("agentlist",),
}


def _check_template(argument: str, template: Any, placeholders: tuple[str, ...]) -> None:
    if template is None and argument == "select_speaker_prompt_template":
        return
    if not isinstance(template, str) or not template:
        raise ConfigError(f"{argument} is {template!r}; it must be a string")
    try:
        template.format(**dict.fromkeys(placeholders, ""))
    except (LookupError, ValueError) as error:
        braces = " and ".join(f"{{{name}}}" for name in placeholders)
        raise ConfigError(f"{argument} may contain {braces}; double any other braces: {error!r}") from error

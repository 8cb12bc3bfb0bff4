"""A group chat: who is in it, what was said, and who speaks next.

It decides, and talks to nobody: that is its manager's affair (`manager.py`). Who may speak after whom is in
`transitions.py`; how one of those is chosen, in `speakers.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from agentchat.agents import speakers
from agentchat.agents.base import Agent, Message
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.history import text_of
from agentchat.agents.transitions import Repeats, Transitions, TransitionsType, check_transitions, followers
from agentchat.agents.twins import settled, twin_of
from agentchat.agents.wrapper import OpenAIWrapper
from agentchat.errors import ConfigError
from agentchat.llm.model_client import ModelClient

SelectionMethod: TypeAlias = Literal["auto", "manual", "random", "round_robin"]

SelectionFunction: TypeAlias = Callable[[Agent, "GroupChat"], Any]
"""`(last_speaker, groupchat)` → who speaks next, the name of a method that says so, or None: the chat is over. May be
async."""

ModelClientClass: TypeAlias = Callable[..., ModelClient]


@dataclass(eq=False)
class GroupChat:
    """Agents who talk with each other, one after the other, and each hears all.

    `max_round` is the number of messages, the first one included. `speaker_selection_method` chooses who speaks next:
    "auto" asks a model, "manual" asks the person, "random" and "round_robin" ask nobody, a function of (last speaker,
    group chat) gives the agent, a method's name, or None for the end. The choice is among those who may speak (see
    `transitions`); a function's choice stands as it is. With `func_call_filter` a tool call is answered by one who can
    run it. On a console `admin_name` takes over at Ctrl-C. `enable_clear_history` lets members say "clear history".

    The `select_speaker_…` arguments are for "auto": what its model is told, where `{roles}` and `{agentlist}` stand for
    the agents; `select_speaker_transform_messages` is a function of the messages that gives those that it reads;
    `select_speaker_auto_llm_config` the model, instead of the manager's, and `select_speaker_auto_model_client_cls` the
    classes that its entries name, one or a list. Raise ConfigError for what cannot work.
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
        "Several roles talk with each other:\n\n{roles}\n\n"
        "Read what they say, and choose who speaks next from {agentlist}. Answer with the name alone."
    )
    select_speaker_prompt_template: str | None = (
        "Read the conversation above, and choose who speaks next from {agentlist}. Answer with the name alone."
    )
    select_speaker_auto_multiple_template: str = (
        "You named several, and only one can speak. Choose who speaks next from {agentlist}: the one whose turn you "
        "wrote, if you wrote somebody's; else the one whom you called the next; else the one whom you named first. "
        "Answer with the name alone, without a reason."
    )
    select_speaker_auto_none_template: str = (
        "You named nobody. Choose who speaks next from {agentlist}, and spell the name exactly so. "
        "Answer with the name alone, without a reason."
    )
    select_speaker_transform_messages: speakers.Transform | None = None
    select_speaker_auto_verbose: bool = False
    select_speaker_auto_model_client_cls: ModelClientClass | list[ModelClientClass] | None = None
    select_speaker_auto_llm_config: Mapping[str, Any] | Literal[False] | None = None
    role_for_select_speaker_messages: str = "system"
    _own_client: OpenAIWrapper | None = field(default=None, init=False, repr=False)

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

    # --- who is in it -----------------------------------------------------------------------------------------------

    @property
    def agent_names(self) -> list[str]:
        return [agent.name for agent in self.agents]

    @property
    def allowed_speaker_transitions_dict(self) -> dict[Agent, list[Agent]]:
        """Who may speak after whom."""
        return {agent: self._followers(agent) for agent in self.agents}

    def agent_by_name(self, name: str, recursive: bool = False, raise_on_name_conflict: bool = False) -> Agent | None:
        """The agent of that name, if there is one; with `recursive` also in the group chats of managers among them.

        `raise_on_name_conflict`: raise ConfigError if there are several.
        """
        found = [agent for agent in (self.nested_agents() if recursive else self.agents) if agent.name == name]
        if raise_on_name_conflict and len(found) > 1:
            raise ConfigError(f"{len(found)} agents are called {name!r}: give each a name of its own")
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
        """What tells every member who the others are."""
        return f"{self.DEFAULT_INTRO_MSG}\n\n{self._roles(agents)}"

    def _roles(self, agents: Sequence[Agent] | None) -> str:
        return "\n".join(f"{agent.name}: {agent.description}".strip() for agent in self._these(agents))

    def _these(self, agents: Sequence[Agent] | None) -> Sequence[Agent]:
        return self.agents if agents is None else agents

    # --- what was said ----------------------------------------------------------------------------------------------

    def append(self, message: Message, speaker: Agent) -> None:
        """Keep what a speaker said, as text under its name."""
        name = message.get("name") if message.get("role") == "function" else speaker.name
        self.messages.append({**message, "name": name, "content": text_of(message.get("content"))})

    def reset(self) -> None:
        """Forget what was said."""
        self.messages.clear()

    # --- who speaks next --------------------------------------------------------------------------------------------

    def select_speaker(self, last_speaker: Agent, selector: ConversableAgent) -> Agent | None:
        """Who speaks next; None if nobody may, or if the selection function says that the chat is over.

        Blocks while a model or the person chooses. `selector` is the manager, whose model is asked.
        """
        chosen: Any = self.speaker_selection_method
        if callable(chosen):
            chosen = settled(chosen(last_speaker, self))
            if chosen is None:
                return None
            if isinstance(chosen, Agent):
                return self._member(chosen)
        method = _method(chosen)
        eligible = self._eligible(last_speaker)
        if len(eligible) < 2:
            return eligible[0] if eligible else None
        selected: Agent | None = None
        if method == "manual":
            selected = self.manual_select_speaker(eligible)
        elif method == "random":
            selected = self.random_select_speaker(eligible)
        elif method == "auto" and (client := self._client(selector)) is not None:
            selected = speakers.by_model(self, eligible, client)
        return selected or self.next_agent(last_speaker, eligible)

    a_select_speaker = twin_of(select_speaker)

    def next_agent(self, agent: Agent, agents: Sequence[Agent] | None = None) -> Agent:
        """The one after an agent, in the order of the group chat; of `agents`, if these are given."""
        eligible = self._these(agents)
        for each in eligible:
            self._member(each)
        if not eligible:
            raise ConfigError("next_agent: there is nobody to choose from")
        return speakers.in_turn(agent, eligible, self.agents)

    def manual_select_speaker(self, agents: Sequence[Agent] | None = None) -> Agent | None:
        """The one whom the person chooses; None if they leave it to us."""
        return speakers.by_hand(self._these(agents))

    def random_select_speaker(self, agents: Sequence[Agent] | None = None) -> Agent:
        """Any of them; the same one in every life of a run."""
        return speakers.by_chance(self._these(agents))

    def select_speaker_msg(self, agents: Sequence[Agent] | None = None) -> str:
        """What the model that selects is told first."""
        names = speakers.names_of(self._these(agents))
        return self.select_speaker_message_template.format(roles=self._roles(agents), agentlist=names)

    def select_speaker_prompt(self, agents: Sequence[Agent] | None = None) -> str | None:
        """What it is asked last; None if there is no such prompt."""
        if self.select_speaker_prompt_template is None:
            return None
        return self.select_speaker_prompt_template.format(agentlist=speakers.names_of(self._these(agents)))

    def _client(self, selector: ConversableAgent) -> OpenAIWrapper | None:
        """Who asks the model: on account of the selector, whichever model it is. None if there is none."""
        config = self.select_speaker_auto_llm_config
        if not config:
            return selector.client
        if self._own_client is None:
            classes = self.select_speaker_auto_model_client_cls or []
            self._own_client = OpenAIWrapper.of_agent(dict(config), selector.spent)
            for one in classes if isinstance(classes, list) else [classes]:
                self._own_client.register_model_client(one)
        return self._own_client

    def _eligible(self, last_speaker: Agent) -> list[Agent]:
        """Those who may speak after the last speaker."""
        if len(self.agents) < 2:
            raise ConfigError(f"a group chat of {len(self.agents)} agents: it takes two; let one talk without a group")
        able = self._able_to_answer()
        if able is not None and len(able) == 1:
            return able
        # Whoever opened the chat from outside is followed by anybody.
        allowed = self._followers(last_speaker) if last_speaker in self.agents else list(self.agents)
        if able is None:
            return allowed
        return [agent for agent in able if agent in allowed] or able

    def _able_to_answer(self) -> list[Agent] | None:
        """Those who can run the tools that the last message calls; None if it calls none, or nobody should look."""
        called = _called(self.messages[-1]) if self.func_call_filter and self.messages else set()
        if not called:
            return None
        agents = [agent for agent in self.agents if isinstance(agent, ConversableAgent)]
        able: list[Agent] = [agent for agent in agents if agent.can_execute_function(sorted(called))]
        able = able or [agent for agent in agents if agent.function_map]
        if not able:
            names = ", ".join(sorted(called))
            raise ConfigError(f"no agent of the group chat can run {names}: register it with one of them as executor")
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
            raise ConfigError(f"{agent.name!r} was chosen to speak, and is not in the group chat: add it to `agents`")
        return agent


def _called(message: Message) -> set[str]:
    """The names of the tools that a message calls."""
    called = {call["function"]["name"] for call in message.get("tool_calls") or ()}
    if message.get("function_call"):
        called.add(message["function_call"]["name"])
    return called


def _method(name: Any) -> SelectionMethod:
    """The selection method of that name, whatever its case."""
    for method in get_args(SelectionMethod):
        if isinstance(name, str) and name.lower() == method:
            return method  # type: ignore[no-any-return]  # get_args is untyped
    raise ConfigError(
        f"speaker selection {name!r}: give one of {', '.join(get_args(SelectionMethod))}, or a function of "
        "(last_speaker, groupchat) that gives an agent, one of these names, or None to end the chat"
    )


def _check(groupchat: GroupChat) -> None:
    """Raise ConfigError for arguments that cannot work."""
    names = groupchat.agent_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"several agents of the group chat are called {', '.join(twice)}: names must differ")
    if groupchat.max_round < 1:
        raise ConfigError(f"max_round is {groupchat.max_round}; the first message is a round: give 1 at least")
    retries = groupchat.max_retries_for_selecting_speaker
    if not isinstance(retries, int) or retries < 0:
        raise ConfigError(f"max_retries_for_selecting_speaker is {retries!r}; give 0 or more")
    if not groupchat.role_for_select_speaker_messages:
        raise ConfigError("role_for_select_speaker_messages is empty; give 'system' or 'user'")
    if groupchat.select_speaker_auto_model_client_cls and not groupchat.select_speaker_auto_llm_config:
        raise ConfigError("select_speaker_auto_model_client_cls wants a select_speaker_auto_llm_config that names it")
    if (transform := groupchat.select_speaker_transform_messages) is not None and not callable(transform):
        raise ConfigError(f"select_speaker_transform_messages is {transform!r}; give a function of a list of messages")
    if (groupchat.select_speaker_auto_llm_config or {}).get("tools"):
        raise ConfigError("select_speaker_auto_llm_config has tools: the model that selects must answer with a name")
    for argument, blanks in _TEMPLATES.items():
        _check_template(argument, getattr(groupchat, argument), blanks)


_TEMPLATES = {
    "select_speaker_message_template": ("roles", "agentlist"),
    "select_speaker_prompt_template": ("agentlist",),
    "select_speaker_auto_multiple_template": ("agentlist",),
    "select_speaker_auto_none_template": ("agentlist",),
}


def _check_template(argument: str, template: Any, blanks: tuple[str, ...]) -> None:
    if template is None and argument == "select_speaker_prompt_template":
        return
    if not isinstance(template, str) or not template:
        raise ConfigError(f"{argument} is {template!r}; give a text")
    try:
        template.format(**dict.fromkeys(blanks, ""))
    except (LookupError, ValueError) as error:
        braces = " and ".join(f"{{{blank}}}" for blank in blanks)
        raise ConfigError(f"{argument} may hold {braces}, and other braces doubled: {error!r}") from error

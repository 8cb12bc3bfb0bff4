"""Who may speak after whom in a group chat.

The rules take one of two forms: any agent after any other, with or without speaking twice in a row
(`allow_repeat_speaker`), or agent by agent (`allowed_or_disallowed_speaker_transitions`). Which of the allowed agents
is next is decided in `speaker_selection`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from agentchat.agents.protocols import Agent
from agentchat.core.log import get_logger
from agentchat.errors import ConfigError

logger = get_logger("agentchat.agents")

Repeats: TypeAlias = bool | list[Agent] | None
"""Who may speak twice in a row: all agents, none, or these; None stands for all."""

Transitions: TypeAlias = Mapping[Agent, list[Agent]]
"""Agent → those who may, or may not, speak after it."""

TransitionsType: TypeAlias = Literal["allowed", "disallowed"] | None


def followers(
    speaker: Agent, agents: Sequence[Agent], repeats: Repeats, transitions: Transitions | None, kind: TransitionsType
) -> list[Agent]:
    """The agents who may speak after one of them, in their order."""
    if transitions is None:
        may_repeat = speaker in repeats if isinstance(repeats, list) else repeats is not False
        return [agent for agent in agents if agent is not speaker or may_repeat]
    listed = transitions.get(speaker, [])
    return [agent for agent in agents if (agent in listed) == (kind == "allowed")]


def check_transitions(
    agents: Sequence[Agent], repeats: Repeats, transitions: Transitions | None, kind: TransitionsType
) -> None:
    """Raise ConfigError for rules that cannot be followed; warn about rules that are probably a mistake."""
    if not (repeats is None or isinstance(repeats, bool | list)):
        raise ConfigError(f"allow_repeat_speaker is {repeats!r}; use True, False, or a list of agents")
    if isinstance(repeats, list):
        _check_members(repeats, agents, "allow_repeat_speaker")
    if kind not in ("allowed", "disallowed", None):
        raise ConfigError(f"speaker_transitions_type is {kind!r}; use 'allowed' or 'disallowed'")
    if transitions is None:
        return
    name = "allowed_or_disallowed_speaker_transitions"
    if repeats is not None:
        raise ConfigError(f"set {name} or allow_repeat_speaker, not both: an agent that may follow itself may repeat")
    if kind is None:
        raise ConfigError(f"{name} needs speaker_transitions_type: 'allowed' or 'disallowed'")
    if not isinstance(transitions, Mapping) or not all(isinstance(listed, list) for listed in transitions.values()):
        raise ConfigError(f"{name} is {transitions!r}; use a dict of agent → list of agents")
    _check_members(list(transitions), agents, name)
    for speaker, listed in transitions.items():
        if not_agents := [agent for agent in listed if not isinstance(agent, Agent)]:
            raise ConfigError(f"{name} of {speaker.name!r} lists {not_agents!r}; list agents, not their names")
    _warn_about_isolated_agents(agents, transitions, kind)


def _check_members(listed: Sequence[Agent], agents: Sequence[Agent], argument: str) -> None:
    if outsiders := [agent for agent in listed if agent not in agents]:
        names = ", ".join(repr(getattr(agent, "name", agent)) for agent in outsiders)
        raise ConfigError(f"{argument} names {names}: not in the group chat; add it to `agents`, or remove it here")


def _warn_about_isolated_agents(agents: Sequence[Agent], transitions: Transitions, kind: TransitionsType) -> None:
    listed = [agent for others in transitions.values() for agent in others]
    outside = [agent for agent in listed if agent not in agents]
    isolated = (
        [agent for agent in agents if agent not in transitions and agent not in listed] if kind == "allowed" else []
    )
    for what, some in (("agents outside the group chat", outside), ("no transition to or from", isolated)):
        if some:
            names = ", ".join(sorted({agent.name for agent in some}))
            logger.warning("allowed_or_disallowed_speaker_transitions: %s: %s", what, names)

"""The ways to choose who speaks next in a group chat: in turn, by chance, by hand, or by asking a model.

Each chooses among those who may speak. Chance and the model's word are steps of a run, so a replay chooses the same.
"""

import logging
import random
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agentchat.agents.base import Agent, Message
from agentchat.agents.history import for_model
from agentchat.events import Notice
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.steps import step

if TYPE_CHECKING:
    from agentchat.agents.groupchat import GroupChat
    from agentchat.agents.wrapper import OpenAIWrapper

logger = logging.getLogger("agentchat.agents")

Transform = Callable[[list[Message]], list[Message]]

STEP = "speaker_selection"
_TRIES_BY_HAND = 3


def in_turn(last_speaker: Agent, eligible: Sequence[Agent], agents: Sequence[Agent]) -> Agent:
    """The first eligible one after the last speaker, in the order of all `agents`, going around."""
    here = next((place for place, agent in enumerate(agents) if agent is last_speaker), -1)
    return next(agent for agent in (*agents[here + 1 :], *agents[: here + 1]) if agent in eligible)


def by_chance(eligible: Sequence[Agent]) -> Agent:
    """Any of them; the same one in every life of a run."""
    stream = IOStream.get_default()
    by_name = {agent.name: agent for agent in eligible}
    names = list(by_name)
    chosen: str = step(
        stream,
        "step",
        STEP,
        names,
        lambda _: random.choice(names),
        send=lambda event: send_to(stream, event),
        retry_safe=True,
    )
    return by_name[chosen]


def by_hand(eligible: Sequence[Agent]) -> Agent | None:
    """The one whose number, or name, the person gives. None if they leave the choice to us, or give no valid one."""
    stream = IOStream.get_default()
    stream.print("Please select the next speaker from the following list:")
    for number, agent in enumerate(eligible, start=1):
        stream.print(f"{number}: {agent.name}")
    choices = {str(number): agent for number, agent in enumerate(eligible, start=1)}
    choices |= {agent.name: agent for agent in eligible}
    for _ in range(_TRIES_BY_HAND):
        answer = stream.input(
            "Enter the number of the next speaker (enter nothing or `q` to use auto selection): "
        ).strip()
        if answer in choices:
            return choices[answer]
        if answer in ("", "q"):
            return None
        stream.print(f"Invalid input. Please enter a number between 1 and {len(eligible)}.")
    stream.print(f"You have tried {_TRIES_BY_HAND} times. The next speaker will be selected automatically.")
    return None


def by_model(groupchat: "GroupChat", eligible: Sequence[Agent], client: "OpenAIWrapper") -> Agent | None:
    """The one whom a model names that has read the chat. Nobody hears it unless the group chat is verbose.

    It is asked again, with a hint, if it names nobody or several. None if it never names just one.
    """
    verbose = groupchat.select_speaker_auto_verbose
    conversation = _conversation(groupchat, eligible)
    tries = 1 + groupchat.max_retries_for_selecting_speaker
    for attempt in range(1, tries + 1):
        words = client.ask(conversation, name=STEP, to="", silent=not verbose).content
        named = named_in(words, eligible)
        if verbose:
            names = ", ".join(agent.name for agent in named) or "nobody"
            line = f">>>>>>>> Select speaker attempt {attempt} of {tries} named {names}."
            send_to(IOStream.get_default(), Notice(text=line))
        if len(named) == 1:
            return named[0]
        hint = groupchat.select_speaker_auto_multiple_template if named else groupchat.select_speaker_auto_none_template
        conversation += [
            {"role": "assistant", "content": words},
            {"role": groupchat.role_for_select_speaker_messages, "content": hint.format(agentlist=names_of(eligible))},
        ]
    logger.warning("no speaker was named in %d tries: the next in turn speaks; the last was %r", tries, words)
    return None


def named_in(text: str, agents: Sequence[Agent]) -> list[Agent]:
    r"""The agents that a text names. `story_writer` may be written `story writer` and, in Markdown, `story\_writer`."""
    spellings = {
        spelling: agent
        for agent in agents
        for spelling in (agent.name, agent.name.replace("_", " "), agent.name.replace("_", r"\_"))
    }
    # The longest first: who says "story writer" does not name the writer.
    patterns = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
    found = {spellings[spelling] for spelling in re.findall(rf"(?<!\w)(?:{patterns})(?!\w)", text)}
    return [agent for agent in agents if agent in found]


def names_of(agents: Sequence[Agent]) -> str:
    """The list of names that `{agentlist}` stands for."""
    return str([agent.name for agent in agents])


def _conversation(groupchat: "GroupChat", eligible: Sequence[Agent]) -> list[Message]:
    """What the model reads: the roles, what was said, and the question."""
    said = for_model(groupchat.messages)
    if said:
        for key in ("tool_calls", "function_call"):
            said[-1].pop(key, None)  # models refuse a call that has no result
    transform = groupchat.select_speaker_transform_messages
    roles = {"role": "system", "content": groupchat.select_speaker_msg(eligible)}
    prompt = groupchat.select_speaker_prompt(eligible)
    question = [] if prompt is None else [{"role": groupchat.role_for_select_speaker_messages, "content": prompt}]
    return [roles, *(transform(said) if transform else said), *question]

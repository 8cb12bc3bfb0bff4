"""The ways to choose who speaks next in a group chat: in turn, at random, by the user, or by a model.

Each chooses among the eligible agents. A random choice and the model's answer are steps of a run, so a replay chooses
the same. Group chats hand in their prompts: nothing here knows a group chat.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentchat.agents.history import for_model
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.protocols import Agent, Message
from agentchat.core.log import get_logger
from agentchat.core.steps import step
from agentchat.events import Notice
from agentchat.io import IOStream
from agentchat.io.base import send_to

logger = get_logger("agentchat.agents")

Transform = Callable[[list[Message]], list[Message]]

STEP = "speaker_selection"
_MAX_USER_ATTEMPTS = 3


def in_turn(last_speaker: Agent, eligible: Sequence[Agent], agents: Sequence[Agent]) -> Agent:
    """The first eligible one after the last speaker, in the order of all `agents`, going around."""
    here = next((index for index, agent in enumerate(agents) if agent is last_speaker), -1)
    return next(agent for agent in (*agents[here + 1 :], *agents[: here + 1]) if agent in eligible)


def at_random(eligible: Sequence[Agent]) -> Agent:
    """Any of them; the same one whenever a run is replayed."""
    stream = IOStream.get_default()
    names = [agent.name for agent in eligible]
    choices: dict[str | int, Agent] = {
        agent.name if names.count(agent.name) == 1 else number: agent for number, agent in enumerate(eligible)
    }
    chosen: str | int = step(
        stream,
        "step",
        STEP,
        names,
        lambda _: random.choice(list(choices)),
        send=lambda event: send_to(stream, event),
        retry_safe=True,
    )
    return choices[chosen]


def by_user(eligible: Sequence[Agent]) -> Agent | None:
    """The one whose number or name the user types. None if they skip the choice, or type no valid one."""
    stream = IOStream.get_default()
    stream.print("Please select the next speaker from the following list:")
    for number, agent in enumerate(eligible, start=1):
        stream.print(f"{number}: {agent.name}")
    choices = {str(number): agent for number, agent in enumerate(eligible, start=1)}
    choices |= {agent.name: agent for agent in eligible}
    for _ in range(_MAX_USER_ATTEMPTS):
        answer = stream.input(
            "Enter the number of the next speaker (enter nothing or `q` to use auto selection): "
        ).strip()
        if answer in choices:
            return choices[answer]
        if answer in ("", "q"):
            return None
        stream.print(f"Invalid input. Please enter a number between 1 and {len(eligible)}.")
    stream.print(f"You have tried {_MAX_USER_ATTEMPTS} times. The next speaker will be selected automatically.")
    return None


@dataclass(frozen=True, kw_only=True)
class SelectionPrompts:
    """What a model reads that selects a speaker: `system`, the chat, and `question`, if there is one.

    `several_named` and `none_named` are hints for the next attempt, if its answer named several agents or none. `role`
    is the role of the question and of the hints.
    """

    system: str
    question: str | None
    several_named: str
    none_named: str
    role: str


def by_model(
    messages: Sequence[Message],
    eligible: Sequence[Agent],
    client: OpenAIWrapper,
    prompts: SelectionPrompts,
    *,
    transform: Transform | None = None,
    max_retries: int = 2,
    verbose: bool = False,
) -> Agent | None:
    """The agent that a model names after reading the chat. Its answer is emitted only if `verbose`.

    `transform` changes the messages that the model reads. It is asked again, with a hint, if it names several agents or
    none. None if it never names just one.
    """
    conversation = _conversation(messages, prompts, transform)
    attempts = 1 + max_retries
    for attempt in range(1, attempts + 1):
        answer = client.ask(conversation.copy, name=STEP, to="", silent=not verbose).content
        named = named_in(answer, eligible)
        if verbose:
            names = ", ".join(agent.name for agent in named) or "nobody"
            line = f">>>>>>>> Select speaker attempt {attempt} of {attempts} named {names}."
            send_to(IOStream.get_default(), Notice(text=line))
        if len(named) == 1:
            return named[0]
        conversation += [
            {"role": "assistant", "content": answer},
            {"role": prompts.role, "content": prompts.several_named if named else prompts.none_named},
        ]
    logger.warning("no speaker was named in %d tries: using the next in turn; the last answer was %r", attempts, answer)
    return None


def named_in(text: str, agents: Sequence[Agent]) -> list[Agent]:
    r"""The agents that a text names. `story_writer` may be written `story writer` and, in Markdown, `story\_writer`."""
    spellings = {
        spelling: agent
        for agent in agents
        for spelling in (agent.name, agent.name.replace("_", " "), agent.name.replace("_", r"\_"))
    }
    # The longest first: "story writer" does not name the writer.
    patterns = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
    found = {spellings[spelling] for spelling in re.findall(rf"(?<!\w)(?:{patterns})(?!\w)", text)}
    return [agent for agent in agents if agent in found]


def names_of(agents: Sequence[Agent]) -> str:
    """The list of names that `{agentlist}` stands for."""
    return str([agent.name for agent in agents])


def _conversation(messages: Sequence[Message], prompts: SelectionPrompts, transform: Transform | None) -> list[Message]:
    """What the model reads: the system prompt, the chat, and the question."""
    chat = for_model(messages)
    if chat:
        for key in ("tool_calls", "function_call"):
            chat[-1].pop(key, None)  # models refuse a call that has no result
    question = [] if prompts.question is None else [{"role": prompts.role, "content": prompts.question}]
    return [{"role": "system", "content": prompts.system}, *(transform(chat) if transform else chat), *question]

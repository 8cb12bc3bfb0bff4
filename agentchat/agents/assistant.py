"""The agent that solves a task with a model."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.protocols import HumanInputMode, Message
from agentchat.core.log import get_logger

logger = get_logger("agentchat.agents")


class AssistantAgent(ConversableAgent):
    """A ConversableAgent that never asks the user; its system message tells its model to solve a task with tools."""

    DEFAULT_SYSTEM_MESSAGE: ClassVar[str] = (
        "You are a careful assistant who solves tasks.\n"
        "Think about what is known and what is missing before you answer. When a tool can find out what is missing, or "
        "do what is wanted, call it instead of guessing; when its result is an error, read it, correct the call and "
        "try again. When several steps are needed, say briefly which, and take them one at a time.\n"
        "When code is wanted, write it complete and ready to run, each file in a code block of its own that names its "
        "language. You cannot run code yourself.\n"
        "Check your result before you give it, and say so when you are not sure.\n"
        "When the task is done, reply TERMINATE at the end."
    )
    DEFAULT_DESCRIPTION: ClassVar[str] = (
        "A helpful assistant that solves tasks with its tools, in language and in code."
    )

    def __init__(
        self,
        name: str,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        llm_config: Mapping[str, Any] | Literal[False] | None = None,
        is_termination_msg: Callable[[Message], bool] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "NEVER",
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        if llm_config is None:
            logger.warning(
                "AssistantAgent %r has no model, and replies with its default_auto_reply: pass "
                "llm_config=llm_config(), or False to say so",
                name,
            )
        if description is None and system_message == self.DEFAULT_SYSTEM_MESSAGE:
            description = self.DEFAULT_DESCRIPTION
        super().__init__(
            name,
            system_message,
            is_termination_msg,
            max_consecutive_auto_reply,
            human_input_mode,
            llm_config=llm_config,
            description=description,
            **kwargs,
        )

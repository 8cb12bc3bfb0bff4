"""The agent that represents the user: it asks for input, and runs the tools that other agents call."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.protocols import HumanInputMode, Message


class UserProxyAgent(ConversableAgent):
    """A ConversableAgent that asks the user before each reply and has no model, by default."""

    DESCRIPTIONS: ClassVar[dict[str, str]] = {
        "ALWAYS": "Represents the user, who is asked at every turn.",
        "TERMINATE": "Represents the user, who is asked when the chat is about to end. Runs tools.",
        "NEVER": "Runs tools. Never asks the user.",
    }

    def __init__(
        self,
        name: str,
        is_termination_msg: Callable[[Message], bool] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "ALWAYS",
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: Any = False,
        default_auto_reply: Message | str = "",
        llm_config: Mapping[str, Any] | Literal[False] | None = False,
        system_message: str | None = "",
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            system_message,
            is_termination_msg,
            max_consecutive_auto_reply,
            human_input_mode,
            function_map,
            code_execution_config,
            llm_config,
            default_auto_reply,
            self.DESCRIPTIONS.get(human_input_mode) if description is None else description,
            **kwargs,
        )

"""A config list that can be asked: an agent's `client`, and for code without agents.

    client = OpenAIWrapper(config_list=config_list_from_json("OAI_CONFIG_LIST"))
    response = client.create(messages=[{"role": "user", "content": "Hello"}])
    print(client.extract_text_or_completion_object(response)[0])

Each request is a step, so a resumed run does not ask again. Asking itself is in `llm_step`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentchat.agents.history import render_content, render_messages
from agentchat.agents.llm_step import ask
from agentchat.agents.message_events import Visible
from agentchat.agents.protocols import Message
from agentchat.cache import Cache
from agentchat.errors import ConfigError
from agentchat.io import IOStream
from agentchat.llm.model_client import ModelClient
from agentchat.llm.response import ModelResponse
from agentchat.llm.results import ResultFormat
from agentchat.llm.usage import UsageTotals

if TYPE_CHECKING:
    from agentchat.llm.openai_client import ChatCompletion, ChatCompletionMessage

_FORMS = ("tools", "functions", "tool_choice", "function_call", "response_format")


class OpenAIWrapper:
    """The entries of a config list, asked in turn until one answers, and their usage.

    `base_config` holds what all entries have in common; an entry's own values take precedence.
    """

    def __init__(self, *, config_list: Sequence[Mapping[str, Any]] | None = None, **base_config: Any) -> None:
        entries = {} if config_list is None else {"config_list": [dict(entry) for entry in config_list]}
        self.config: dict[str, Any] = {**base_config, **entries}
        self.usage = UsageTotals()
        self._model_clients: dict[int, ModelClient] = {}

    @classmethod
    def of_agent(cls, llm_config: dict[str, Any], usage: UsageTotals) -> "OpenAIWrapper":
        """The client of an agent: it shares the agent's configuration (so also tools registered later) and totals."""
        client = cls()
        client.config, client.usage = llm_config, usage
        return client

    def with_tools(self, tools: Sequence[Mapping[str, Any]]) -> "OpenAIWrapper":
        """A client that offers these tools, by their schemas, and no others. All else is shared."""
        config = {key: value for key, value in self.config.items() if key not in ("tools", "functions")}
        client = OpenAIWrapper.of_agent({**config, "tools": [*tools]} if tools else config, self.usage)
        client._model_clients = self._model_clients
        return client

    def for_text(self) -> "OpenAIWrapper":
        """A client whose answers are texts: it offers no tools, and asks for no result. All else is shared."""

        def without_forms(config: Mapping[str, Any]) -> dict[str, Any]:
            return {key: value for key, value in config.items() if key not in _FORMS}

        config = without_forms(self.config)
        if "config_list" in config:
            config["config_list"] = [without_forms(entry) for entry in config["config_list"]]
        client = OpenAIWrapper.of_agent(config, self.usage)
        client._model_clients = self._model_clients
        return client

    # --- asking -----------------------------------------------------------------------------------------------------

    def create(
        self,
        *,
        messages: Sequence[Message] | None = None,
        prompt: str | Callable[[Any], str] | None = None,
        context: Mapping[str, Any] | None = None,
        cache: Cache | None = None,
        agent: Any = None,
        stream: bool = False,
        **config: Any,
    ) -> "ChatCompletion":
        """Ask, and return the answer as the SDK gives it, with `cost`, `config_id` and `pass_filter`; blocks.

        `prompt` stands for one message. `context` is for templates (see `instantiate`) and for the `filter_func`. With
        `stream` the answer is emitted while it is written, in the agent's name. Raise LLMError if no entry answers.
        """
        if (messages is None) == (prompt is None):
            raise ConfigError("create() requires either messages or a prompt")
        asked = [{"role": "user", "content": prompt}] if messages is None else messages
        merged = {**config, **self.config}
        response = self.ask(
            lambda: render_messages(asked, context, bool(merged.get("allow_format_str_template"))),
            name=getattr(agent, "name", None) or "assistant",
            to="",
            silent=not stream,
            cache=cache,
            context=context,
            **config,
        )
        from agentchat.llm.openai_client import completion_of  # late: it takes a second, and asking has imported it

        return completion_of(response)

    def ask(
        self,
        messages: Callable[[], Sequence[Message]],
        *,
        name: str,
        to: str,
        silent: bool,
        cache: Cache | None = None,
        context: Any = None,
        visible: Visible | None = None,
        result: ResultFormat[Any] | None = None,
        **config: Any,
    ) -> ModelResponse:
        """Ask, as an agent does (see `llm_step.ask`), and add up the usage."""
        response = ask(
            messages,
            llm_config={**config, **self.config},
            name=name,
            to=to,
            silent=silent,
            clients=self._model_clients,
            cache=cache,
            context=context,
            visible=visible,
            result=result,
        )
        self.usage.add(response)
        return response

    def register_model_client(self, model_client_cls: Callable[..., ModelClient], **kwargs: Any) -> None:
        """Ask an object of this class instead of a service: for the next entry that names it in `model_client_cls`.

        Raise ConfigError if there is none.
        """
        name = model_client_cls.__name__
        entries = self.config.get("config_list", [self.config])
        for position, entry in enumerate(entries):
            if entry.get("model_client_cls") == name and position not in self._model_clients:
                self._model_clients[position] = model_client_cls(dict(entry), **kwargs)
                return
        raise ConfigError(f"no entry of the config list has 'model_client_cls': {name!r}, or it is registered already")

    @property
    def formats_texts(self) -> bool:
        """Whether texts are templates for `format`."""
        return bool(self.config.get("allow_format_str_template"))

    @staticmethod
    def instantiate(
        template: str | Callable[[Any], str] | None,
        context: Mapping[str, Any] | None = None,
        allow_format_str_template: bool | None = False,
    ) -> Any:
        """A rendered template: a function of the context, or a text for `format`, if that is allowed."""
        return render_content(template, context, bool(allow_format_str_template))

    @staticmethod
    def extract_text_or_completion_object(response: "ChatCompletion") -> list["str | ChatCompletionMessage | None"]:
        """The text of each choice; or its message, if that calls tools."""
        return [
            choice.message if choice.message.tool_calls or choice.message.function_call else choice.message.content
            for choice in response.choices
        ]

    # --- usage -------------------------------------------------------------------------------------------------------

    @property
    def actual_usage_summary(self) -> dict[str, Any] | None:
        """What models have used, by model; None before the first answer."""
        return self.usage.actual

    @property
    def total_usage_summary(self) -> dict[str, Any] | None:
        """The same with the answers that came from a cache."""
        return self.usage.total

    def print_usage_summary(self, mode: str | Sequence[str] = ("actual", "total")) -> None:
        IOStream.get_default().print(self.usage.as_text(mode), flush=True)

    def clear_usage_summary(self) -> None:
        self.usage.clear()

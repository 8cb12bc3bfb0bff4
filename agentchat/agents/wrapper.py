"""A config list that can be asked: what an agent has for a `client`, and what code without agents uses.

    client = OpenAIWrapper(config_list=config_list_from_json("OAI_CONFIG_LIST"))
    response = client.create(messages=[{"role": "user", "content": "Hello"}])
    print(client.extract_text_or_completion_object(response)[0])

Each question is a step, so a resumed run does not ask again. Asking itself is `model`'s affair.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentchat.agents.base import Message
from agentchat.agents.history import filled, filled_in
from agentchat.agents.model import ask
from agentchat.cache import Cache
from agentchat.errors import ConfigError
from agentchat.io import IOStream
from agentchat.llm.model_client import ModelClient
from agentchat.llm.reply import Reply
from agentchat.llm.usage import Totals

if TYPE_CHECKING:
    from agentchat.llm.openai import ChatCompletion, ChatCompletionMessage


class OpenAIWrapper:
    """The entries of a config list, asked in turn until one answers; and what that used.

    `base_config` holds what all entries have in common. What an entry says itself, wins.
    """

    def __init__(self, *, config_list: Sequence[Mapping[str, Any]] | None = None, **base_config: Any) -> None:
        entries = {} if config_list is None else {"config_list": [dict(entry) for entry in config_list]}
        self.config: dict[str, Any] = {**base_config, **entries}
        self.spent = Totals()
        self._model_clients: dict[int, ModelClient] = {}

    @classmethod
    def of_agent(cls, llm_config: dict[str, Any], spent: Totals) -> "OpenAIWrapper":
        """The client of an agent: it has the agent's own configuration, tools to come included, and its totals."""
        client = cls()
        client.config, client.spent = llm_config, spent
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

        `prompt` stands for one message. `context` fills in templates (see `instantiate`) and is given to the
        `filter_func`. With `stream` the answer is told while it is written, in the agent's name. Raise LLMError if no
        entry answers.
        """
        if (messages is None) == (prompt is None):
            raise ConfigError("create() wants either messages or a prompt")
        said = [{"role": "user", "content": prompt}] if messages is None else messages
        merged = {**config, **self.config}
        reply = self.ask(
            filled_in(said, context, bool(merged.get("allow_format_str_template"))),
            name=getattr(agent, "name", None) or "assistant",
            to="",
            silent=not stream,
            cache=cache,
            context=context,
            **config,
        )
        from agentchat.llm.openai import completion_of  # late: it takes a second, and asking has imported it

        return completion_of(reply)

    def ask(
        self,
        messages: Sequence[Message],
        *,
        name: str,
        to: str,
        silent: bool,
        cache: Cache | None = None,
        context: Any = None,
        **config: Any,
    ) -> Reply:
        """Ask, as an agent does (see `agents.model.ask`), and add up what it used."""
        reply = ask(
            messages,
            llm_config={**config, **self.config},
            name=name,
            to=to,
            silent=silent,
            clients=self._model_clients,
            cache=cache,
            context=context,
        )
        self.spent.add(reply)
        return reply

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
    def fills_in_templates(self) -> bool:
        return bool(self.config.get("allow_format_str_template"))

    @staticmethod
    def instantiate(
        template: str | Callable[[Any], str] | None,
        context: Mapping[str, Any] | None = None,
        allow_format_str_template: bool | None = False,
    ) -> Any:
        """A template filled in: a function of the context, or a text for `format`, if that is allowed."""
        return filled(template, context, bool(allow_format_str_template))

    @staticmethod
    def extract_text_or_completion_object(response: "ChatCompletion") -> list["str | ChatCompletionMessage | None"]:
        """The text of each choice; or its message, if that calls tools."""
        return [
            choice.message if choice.message.tool_calls or choice.message.function_call else choice.message.content
            for choice in response.choices
        ]

    # --- what it used -----------------------------------------------------------------------------------------------

    @property
    def actual_usage_summary(self) -> dict[str, Any] | None:
        """What models were asked for, by model; None before the first answer."""
        return self.spent.actual

    @property
    def total_usage_summary(self) -> dict[str, Any] | None:
        """The same with the answers that came from a cache."""
        return self.spent.total

    def print_usage_summary(self, mode: str | Sequence[str] = ("actual", "total")) -> None:
        IOStream.get_default().print(self.spent.in_words(mode), flush=True)

    def clear_usage_summary(self) -> None:
        self.spent.clear()

"""Custom model clients: a class that an entry of the config list names, asked instead of a service.

    {"model": "mine", "model_client_cls": "MyClient"}     then    agent.register_model_client(MyClient)

The protocol is AutoGen's. A client is synchronous, so it is called in a thread, and its answer arrives as one delta.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from agentchat.llm.response import ModelResponse


@runtime_checkable
class ModelClient(Protocol):
    """Made as `cls(entry, **kwargs)`, with the entry of the config list that names it."""

    def create(self, params: dict[str, Any]) -> Any:
        """Answer. `params` has the model, the messages, the tools and the entry's other parameters."""
        ...

    def message_retrieval(self, response: Any) -> Sequence[Any]:
        """The texts of the response; or messages with `content`, `tool_calls` or `function_call`."""
        ...

    def cost(self, response: Any) -> float:
        """In US dollars."""
        ...

    @staticmethod
    def get_usage(response: Any) -> Mapping[str, Any] | None:
        """`prompt_tokens`, `completion_tokens`, `total_tokens`, `cost` and `model`; None if unknown."""
        ...


def response_of(client: ModelClient, params: dict[str, Any]) -> ModelResponse:
    """Ask the client; blocks. Raises whatever it raises."""
    response = client.create(params)
    messages = client.message_retrieval(response)
    message = _fields(messages[0]) if messages else {}
    usage = client.get_usage(response) or {}
    cost = client.cost(response)
    return ModelResponse(
        content=message.get("content") or "",
        tool_calls=tuple(_fields(call, deep=True) for call in message.get("tool_calls") or ()),
        function_call=_fields(message["function_call"]) if message.get("function_call") else None,
        finish_reason="stop",
        model=usage.get("model") or params["model"],
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cost=float(cost) if cost is not None else None,
    )


def _fields(value: Any, *, deep: bool = False) -> dict[str, Any]:
    """The fields of a dict, a pydantic model or any other object; a string is the field `content`."""
    if isinstance(value, str):
        return {"content": value}
    if hasattr(value, "model_dump"):
        fields = value.model_dump()
    else:
        fields = dict(value) if isinstance(value, Mapping) else dict(vars(value))
    return {key: _fields(each) if deep and hasattr(each, "__dict__") else each for key, each in fields.items()}

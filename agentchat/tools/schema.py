"""A function as a model sees it: a name, a description, and a JSON schema of its arguments.

The schema comes from the annotations; descriptions come from `Annotated[int, "how many"]`, from a pydantic `Field`, or
from the docstring, in this order of precedence. The model's arguments are validated strictly: "5" is not an integer,
and an argument that is not in the schema is an error. Values that JSON has no type for are converted: a list for a
tuple, an object for a dataclass, a string for a date or an enum's value. What `functools.partial` fixes is not in
the schema. A null where none is allowed means the default.
"""

import copy
import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol, get_args, get_origin
from weakref import WeakKeyDictionary

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError

from agentchat.core.addressees import Addressee, Delegation
from agentchat.core.model_json import parse_json, remove_nulls, strict_json
from agentchat.errors import ConfigError, ToolError
from agentchat.events import Visibility
from agentchat.tools.annotations import for_pydantic, is_written_by_name
from agentchat.tools.approvable import check_approvable

_ModelJson = str  # JSON as the model wrote it, which may be invalid
NeedsApproval = bool | Callable[[dict[str, Any]], bool]


class Parameters(Protocol):
    """What a tool's arguments are: those of a function's signature, or of a JSON schema (`json_arguments.py`)."""

    @property
    def schema(self) -> Mapping[str, Any]: ...

    @property
    def unannotated(self) -> tuple[str, ...]:
        """Parameters of which nothing is known."""
        ...

    def read(self, written: _ModelJson) -> dict[str, Any]: ...

    def read_json(self, written: _ModelJson) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that a model may call. Calling the tool calls the function.

    `retry_safe`: whether a call that may or may not have taken effect when its process died may be made again.
    `timeout`: seconds that one call may take; None for the default (`execution.default_timeout`).
    `approval`: whether the user must approve each call, or a function of its arguments that says so. It is called again
    when a run is resumed: let it decide by the arguments alone. `approval_expires_in`: how long the user may take.
    `replay`: it only changes the agent function's memory, so it is called again when a run is resumed.
    `visible`: what users see of its calls; None: as the site says. Who approves a call sees it.
    `delegation`: who approves it, if not the user. `editable`: the arguments that may be changed when it is approved.
    `outcome_unknown_to`: who is asked whether to make a call again that may have taken effect. `is_known_to_model`: an
    agent's model may call it, and that agent knows what users see of it. `parameters`: what the arguments are, if not
    those of the function's signature.
    """

    function: Callable[..., Any]
    name: str
    description: str
    retry_safe: bool = False
    timeout: float | None = None
    approval: NeedsApproval = False
    approval_expires_in: timedelta | None = None
    replay: bool = False
    visible: Visibility | None = None
    delegation: Delegation | None = None
    editable: tuple[str, ...] | None = None
    outcome_unknown_to: Addressee | None = None
    is_known_to_model: bool = False
    parameters: Parameters | None = None

    def __post_init__(self) -> None:
        if self.visible not in (None, *get_args(Visibility)):
            raise ConfigError(f"tool {self.name!r}: visible={self.visible!r}; use 'all', 'name' or 'none'")
        if self.approval and self.delegation is None and self.visible in ("name", "none"):
            raise ConfigError(
                f"tool {self.name!r} has approval, and visible={self.visible!r}: who approves a call must see it"
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def schema(self) -> dict[str, Any]:
        """The tool's description for the model, in OpenAI's shape. Raise ConfigError if it is incomplete."""
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", self.name):
            raise ConfigError(f"tool {self.name!r}: the name must be 1 to 64 letters, digits, '_' and '-'")
        if not self.description:
            raise ConfigError(f"tool {self.name!r} has no description: give it one, or give the function a docstring")
        arguments = self._parameters()
        if arguments.unannotated:
            raise ConfigError(
                f"tool {self.name!r}: annotate {', '.join(arguments.unannotated)}, so that the model knows their types"
            )
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": copy.deepcopy(dict(arguments.schema)),
        }
        return {"type": "function", "function": function}

    def arguments(self, written: _ModelJson) -> dict[str, Any]:
        """The arguments for the function. Raise ToolError, with a message for the model, if they are invalid."""
        return self._parameters().read(written)

    def json_arguments(self, written: _ModelJson) -> dict[str, Any]:
        """The same arguments as JSON values, for a user who approves them.

        Raise ToolError as above, and if what the user would see is not what the function would get.
        """
        return self._parameters().read_json(written)

    def _parameters(self) -> Parameters:
        return _arguments_of(self.function) if self.parameters is None else self.parameters

    def wants_approval(self, arguments: Mapping[str, Any]) -> bool:
        return bool(self.approval(dict(arguments)) if callable(self.approval) else self.approval)

    def approval_expires_at(self) -> datetime | None:
        return None if self.approval_expires_in is None else datetime.now(UTC) + self.approval_expires_in


def tool_of(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    retry_safe: bool | None = None,
    timeout: float | None = None,
    approval: NeedsApproval | None = None,
    approval_expires_in: timedelta | None = None,
    replay: bool | None = None,
    visible: Visibility | None = None,
    delegation: Delegation | None = None,
    editable: tuple[str, ...] | None = None,
    outcome_unknown_to: Addressee | None = None,
) -> Tool:
    """Make a tool from a function, or change an existing tool. What is None stays as it is.

    A new tool has the function's name and the first paragraph of its docstring. Raise ConfigError for a function that
    cannot be a tool.
    """
    registered = function if isinstance(function, Tool) else _known_tool(function)
    known = registered or _new_tool(function)
    if delegation is not None and visible is None and known.visible is None:
        visible = delegation.visible
    if registered and visible not in (None, registered.visible):
        raise ConfigError(
            f"tool {known.name!r} was registered with visible={known.visible!r}, and now with {visible!r}: give it "
            f"to the decorator that is applied first (the lower one), so that its calls and its results agree"
        )
    return replace(
        known,
        name=known.name if name is None else name,
        description=known.description if description is None else description,
        retry_safe=known.retry_safe if retry_safe is None else retry_safe,
        timeout=known.timeout if timeout is None else timeout,
        approval=known.approval if approval is None else approval,
        approval_expires_in=known.approval_expires_in if approval_expires_in is None else approval_expires_in,
        replay=known.replay if replay is None else replay,
        visible=known.visible if visible is None else visible,
        delegation=known.delegation if delegation is None else delegation,
        editable=known.editable if editable is None else editable,
        outcome_unknown_to=known.outcome_unknown_to if outcome_unknown_to is None else outcome_unknown_to,
    )


def as_function(tool: Tool) -> Callable[..., Any]:
    """What a decorator returns: a function like the tool's, of which `tool_of` knows the tool."""
    function = tool.function
    if inspect.iscoroutinefunction(_without_partial(function)):

        async def decorated(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)
    else:

        def decorated(*args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]  # one of the two
            return function(*args, **kwargs)

    functools.update_wrapper(decorated, function)
    decorated._agentchat_tool = (decorated, tool)  # type: ignore[attr-defined]
    return decorated


def _known_tool(function: Callable[..., Any]) -> Tool | None:
    decorated, tool = getattr(function, "_agentchat_tool", (None, None))
    return tool if decorated is function else None  # a decorator on top of it has copied the attribute


def _new_tool(function: Callable[..., Any]) -> Tool:
    _arguments_of(function)  # a mistake is reported at once, not when the model calls
    plain = _without_partial(function)
    name = getattr(plain, "__name__", None) or type(plain).__name__
    docs = docstring_parser.parse(inspect.getdoc(plain) or "")
    return Tool(function=function, name=name, description=docs.short_description or "")


@dataclass(frozen=True, kw_only=True)
class _Arguments:
    """The parameters of one function. Its pydantic model has a field `arg0`, `arg1`, … for each, and their names as
    aliases: a parameter may be called `schema` or `_x`, a field may not."""

    model: type[BaseModel]
    names: Mapping[str, str]  # field → parameter
    always_passed: frozenset[str]  # parameters whose default is a pydantic Field, which is no value for the function
    unannotated: tuple[str, ...]  # parameters with neither annotation nor default

    schema: dict[str, Any]

    def read(self, written: _ModelJson) -> dict[str, Any]:
        _, values = self._validated(written)
        given = values.model_fields_set
        return {
            name: getattr(values, field)
            for field, name in self.names.items()
            if field in given or name in self.always_passed
        }

    def read_json(self, written: _ModelJson) -> dict[str, Any]:
        shown, values = self._validated(written)
        check_approvable(shown, {name: getattr(values, field) for field, name in self.names.items()})
        return shown

    def _validated(self, written: _ModelJson) -> tuple[dict[str, Any], BaseModel]:
        """What the model wrote, without the nulls that mean a default, and its values."""
        text = strict_json(written)
        try:
            arguments = parse_json(text)
        except ValueError as error:
            raise ToolError(f"the arguments are not JSON: {error}") from None
        try:
            return arguments, self.model.model_validate_json(text, strict=True)
        except ValidationError as error:
            remove_nulls(arguments, error)
            try:
                return arguments, self.model.model_validate_json(json.dumps(arguments), strict=True)
            except ValidationError:
                raise ToolError(_error_text(error)) from None
        except Exception as error:  # what a validator of the site's own has raised, which pydantic lets through
            raise ToolError(f"the arguments do not fit: {error!r}") from error


class _ToolJsonSchema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        """Pydantic adds every field's name as its title: tokens that tell a model nothing."""
        return False

    def named_tuple_schema(self, schema: Any) -> dict[str, Any]:
        """An object: as the array that it is for pydantic, a model would not see the names."""
        array = super().named_tuple_schema(schema)
        names = [field["name"] for field in schema["fields"]]
        return {
            "type": "object",
            "properties": dict(zip(names, array.get("prefixItems", ()), strict=True)),
            "required": names[: array.get("minItems", 0)],
            "additionalProperties": False,
        }

    def tuple_schema(self, schema: Any) -> dict[str, Any]:
        """With `items`, without which some services refuse an array."""
        array = super().tuple_schema(schema)
        several = array.get("prefixItems", [])
        same = all(item == several[0] for item in several)
        return (
            array if "items" in array or not several else {**array, "items": several[0] if same else {"anyOf": several}}
        )

    def encode_default(self, dft: Any) -> Any:
        return dft.name if is_written_by_name(dft) else super().encode_default(dft)


# Agent functions register their tools at every run; a schema takes milliseconds to make.
_known: WeakKeyDictionary[Callable[..., Any], _Arguments] = WeakKeyDictionary()


def _arguments_of(function: Callable[..., Any]) -> _Arguments:
    try:
        return _known[function]
    except (KeyError, TypeError):  # TypeError: some callables have no weak references
        arguments = _inspect(function)
    try:
        _known[function] = arguments
    except TypeError:
        return arguments
    return arguments


def _inspect(function: Callable[..., Any]) -> _Arguments:
    plain = _without_partial(function)
    title = getattr(plain, "__qualname__", repr(plain))
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    docs = {p.arg_name: p.description for p in docstring_parser.parse(inspect.getdoc(plain) or "").params}
    known_names = getattr(inspect.unwrap(plain), "__globals__", {})
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    try:
        parameters = {n: p for n, p in inspect.signature(function, eval_str=True).parameters.items() if n not in fixed}
        for name, parameter in parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise ConfigError(
                    f"{title} cannot be a tool: a model passes arguments by name, but {parameter} has none"
                )
            field = f"arg{len(fields)}"
            names[field] = name
            default = ... if parameter.default is parameter.empty else parameter.default
            annotation = _described(for_pydantic(parameter.annotation, known_names), docs.get(name))
            fields[field] = (Annotated[annotation, Field(alias=name)], default)
    except ConfigError:
        raise
    except (NameError, ValueError, TypeError) as error:
        raise ConfigError(f"{title} cannot be a tool: its annotations cannot be read ({error})") from error
    try:
        module = getattr(plain, "__module__", None) or __name__
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), __module__=module, **fields)
        model.model_rebuild()
        schema = model.model_json_schema(schema_generator=_ToolJsonSchema)
    except (PydanticUserError, PydanticInvalidForJsonSchema, PydanticSerializationError, NameError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{title} cannot be a tool: an argument's type has no JSON form ({reason})") from error
    del schema["title"]
    return _Arguments(
        model=model,
        names=names,
        always_passed=frozenset(name for name, p in parameters.items() if isinstance(p.default, FieldInfo)),
        unannotated=tuple(n for n, p in parameters.items() if p.annotation is p.empty and p.default is p.empty),
        schema=schema,
    )


def _without_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    return function.func if isinstance(function, functools.partial) else function


def _described(annotation: Any, from_docs: str | None) -> Any:
    """The annotation with its texts as descriptions; in pydantic the last one takes precedence."""
    if annotation is inspect.Parameter.empty:
        annotation = Any
    inner, *notes = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    notes = [Field(description=note) if isinstance(note, str) else note for note in notes]
    notes.insert(0, Field(description=from_docs))
    return functools.reduce(lambda type_, note: Annotated[type_, note], notes, inner)


def _error_text(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return f"the arguments are not JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}"
    messages = (f"{'.'.join(map(str, p['loc'])) or 'arguments'}: {p['msg']}" for p in problems)
    return "the arguments do not fit: " + "; ".join(messages)

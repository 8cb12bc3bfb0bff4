"""A function as a model sees it: a name, a description, and a JSON schema of its arguments.

The schema comes from the annotations; descriptions come from `Annotated[int, "how many"]`, from a pydantic `Field`, or
from the docstring, the earlier before the later. What the model sends must fit it strictly: "5" is no integer, and an
argument that is not in the schema is an error. What JSON cannot say otherwise is understood: a list for a tuple, a
string for a date or an enum's value.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_args, get_origin
from weakref import WeakKeyDictionary

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from agentchat.errors import ConfigError, ToolError

_ModelWrote = str  # JSON, or what the model took for JSON
NeedsApproval = bool | Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that a model may ask for. To call the tool is to call the function.

    `retry_safe`: whether a call that may or may not have taken effect when its process died may be made again.
    `timeout`: seconds that one call may take; None for the default (`execution.default_timeout`).
    `approval`: whether a person must approve each call, or a function of its arguments that says so. It is asked again
    when a run is resumed: let it decide by the arguments alone. `approval_expires_in`: for so long may they answer.
    """

    function: Callable[..., Any]
    name: str
    description: str
    retry_safe: bool = False
    timeout: float | None = None
    approval: NeedsApproval = False
    approval_expires_in: timedelta | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def schema(self) -> dict[str, Any]:
        """What the model is told, in OpenAI's shape. Raise ConfigError if it cannot be told."""
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", self.name):
            raise ConfigError(f"tool {self.name!r}: models want a name of 1 to 64 letters, digits, '_' and '-'")
        if not self.description:
            raise ConfigError(f"tool {self.name!r} has no description: give it one, or give the function a docstring")
        arguments = _arguments_of(self.function)
        if arguments.bare:
            raise ConfigError(
                f"tool {self.name!r}: annotate {', '.join(arguments.bare)}, or the model cannot know them"
            )
        function = {"name": self.name, "description": self.description, "parameters": arguments.schema()}
        return {"type": "function", "function": function}

    def arguments(self, written: _ModelWrote) -> dict[str, Any]:
        """The arguments for the function. Raise ToolError, in words for the model, if what it wrote does not fit."""
        return _arguments_of(self.function).read(written)

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
) -> Tool:
    """Make a tool of a function, or change one that is a tool already. What is None stays as it is.

    A new tool has the function's name and the first paragraph of its docstring. Raise ConfigError for a function that
    cannot be a tool.
    """
    known = function if isinstance(function, Tool) else _new_tool(function)
    return replace(
        known,
        name=known.name if name is None else name,
        description=known.description if description is None else description,
        retry_safe=known.retry_safe if retry_safe is None else retry_safe,
        timeout=known.timeout if timeout is None else timeout,
        approval=known.approval if approval is None else approval,
        approval_expires_in=known.approval_expires_in if approval_expires_in is None else approval_expires_in,
    )


def _new_tool(function: Callable[..., Any]) -> Tool:
    _arguments_of(function)  # a mistake shows at once, not when the model asks
    name = getattr(function, "__name__", None) or type(function).__name__
    docs = docstring_parser.parse(inspect.getdoc(function) or "")
    return Tool(function=function, name=name, description=docs.short_description or "")


@dataclass(frozen=True, kw_only=True)
class _Arguments:
    """The parameters of one function. Its pydantic model has a field `arg0`, `arg1`, … for each, and their names as
    aliases: a parameter may be called `schema` or `_x`, a field may not."""

    model: type[BaseModel]
    names: Mapping[str, str]  # field → parameter
    always: frozenset[str]  # parameters whose default is a pydantic Field: the function itself has no value for them
    bare: tuple[str, ...]  # parameters without annotation and default

    def schema(self) -> dict[str, Any]:
        schema = self.model.model_json_schema(schema_generator=_WithoutTitles)
        del schema["title"]
        return schema

    def read(self, written: _ModelWrote) -> dict[str, Any]:
        try:
            # Models write nothing at all for a tool without arguments.
            values = self.model.model_validate_json(written.strip() or "{}", strict=True)
        except ValidationError as error:
            raise ToolError(_in_words(error)) from None
        given = values.model_fields_set
        return {
            name: getattr(values, field) for field, name in self.names.items() if field in given or name in self.always
        }


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic titles every field with its name: tokens that tell a model nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


# Agent functions register their tools anew at every run; a schema takes milliseconds to make.
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
    title = getattr(function, "__qualname__", repr(function))
    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except (NameError, ValueError, TypeError) as error:
        raise ConfigError(f"{title} cannot be a tool: its annotations cannot be read ({error})") from error
    docs = {p.arg_name: p.description for p in docstring_parser.parse(inspect.getdoc(function) or "").params}
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, parameter in parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"{title} cannot be a tool: a model gives arguments by name, and {parameter} has none")
        field = f"arg{len(fields)}"
        names[field] = name
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[field] = (_described(parameter.annotation, docs.get(name)), default)
    config = ConfigDict(extra="forbid", alias_generator=names.__getitem__, arbitrary_types_allowed=False)
    try:
        module = getattr(function, "__module__", None) or __name__
        model = create_model("Arguments", __config__=config, __module__=module, **fields)
        model.model_rebuild()
    except (PydanticUserError, NameError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{title} cannot be a tool: an argument's type has no JSON form ({reason})") from error
    return _Arguments(
        model=model,
        names=names,
        always=frozenset(name for name, p in parameters.items() if isinstance(p.default, FieldInfo)),
        bare=tuple(n for n, p in parameters.items() if p.annotation is p.empty and p.default is p.empty),
    )


def _described(annotation: Any, from_docs: str | None) -> Any:
    """The annotation with its texts as descriptions; in pydantic the last one counts."""
    if annotation is inspect.Parameter.empty:
        annotation = Any
    inner, *notes = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    notes = [Field(description=note) if isinstance(note, str) else note for note in notes]
    notes.insert(0, Field(description=from_docs))
    return functools.reduce(lambda type_, note: Annotated[type_, note], notes, inner)


def _in_words(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return f"the arguments are not JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}"
    words = (f"{'.'.join(map(str, p['loc'])) or 'arguments'}: {p['msg']}" for p in problems)
    return "the arguments do not fit: " + "; ".join(words)

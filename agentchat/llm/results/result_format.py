"""What an answer has to be: an instance of a pydantic model, read from what a model of language has written.

Reading is pydantic's, as its model says (`strict`, validators, aliases); before it, the habits of models are read for
what they mean (`core.model_json`), a fence or a sentence around the JSON is left out, and a null where none is allowed
is a field that is left out.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, PydanticUserError, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from agentchat.core.model_json import parse_json, remove_nulls, strict_json
from agentchat.errors import ConfigError
from agentchat.llm.results.model_schema import NotStrict, Schema, schema_of, strict_form
from agentchat.llm.results.readable import markdown_of

M = TypeVar("M", bound=BaseModel)

MAX_CHARS = 256 * 1024  # of an answer; longer ones are not read
MAX_PROBLEM_CHARS = 2_000

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL | re.IGNORECASE)
_THOUGHTS = re.compile(r"^.*(?:</think(?:ing)?>|\[/THINK\])", re.DOTALL | re.IGNORECASE)


class Misfit(ValueError):
    """An answer that is no result. The text says why, to the model. `is_json`: whether it is JSON at all."""

    def __init__(self, message: str, *, is_json: bool) -> None:
        super().__init__(message[:MAX_PROBLEM_CHARS])
        self.is_json = is_json


@dataclass(frozen=True)
class ResultFormat(Generic[M]):
    """The wanted type. `schema` is the model's own, `strict_schema` what services guarantee, if they can."""

    model: type[M]
    schema: Schema
    strict_schema: Schema | None

    @property
    def name(self) -> str:
        return re.sub(r"[^a-zA-Z0-9_-]", "_", self.model.__name__)[:64]

    def read(self, written: str) -> M:
        """The instance. Raise Misfit if it is none. Calls the model's validators, which may block."""
        return self._read(written)[1]

    def json_in(self, written: str) -> str:
        """The JSON of the instance: of what was written, the part that is meant. Raise Misfit as `read` does."""
        return self._read(written)[0]

    def text_of(self, written: str) -> str:
        """What users see: the model's own `format()` if it has one, else its fields. Raise Misfit as `read` does."""
        instance = self.read(written)
        if own := self.own_text:
            return str(own(instance))
        return markdown_of(json.loads(strict_json(written)), self.model)

    @property
    def own_text(self) -> Callable[[M], Any] | None:
        """The model's `format` method, as AutoGen's results have it."""
        method = getattr(self.model, "format", None)
        return method if callable(method) else None

    def _read(self, written: str) -> tuple[str, M]:
        if len(written) > MAX_CHARS:
            raise Misfit(f"it is longer than {MAX_CHARS:,} characters", is_json=True)
        reason = "it is empty"
        for candidate in _candidates(written):
            text = strict_json(candidate)
            try:
                value = parse_json(text)
            except ValueError as error:
                reason = str(error)
                continue
            return self._fitting(text, value)
        raise Misfit(f"it is not JSON: {reason}", is_json=False)

    def _fitting(self, text: str, value: Any) -> tuple[str, M]:
        try:
            return text, self.model.model_validate_json(text)
        except ValidationError as error:
            remove_nulls(value, error)
            text = json.dumps(value, ensure_ascii=False)
            try:
                return text, self.model.model_validate_json(text)
            except ValidationError as left:
                raise Misfit(f"it does not fit: {_problems(left)}", is_json=True) from None
        except Exception as error:  # what a validator of the site's own has raised, which pydantic lets through
            raise Misfit(f"it does not fit: {error!r}", is_json=True) from error


def _candidates(written: str) -> Iterator[str]:
    """What may be the JSON of an answer: all of it, what is fenced in it, what is between its outer braces."""
    if written.strip() not in ("", "null"):  # which are no arguments for a tool, but no answer here
        yield written
    answer = _THOUGHTS.sub("", written)
    yield from (match[1] for match in _FENCED.finditer(answer))
    start, end = answer.find("{"), answer.rfind("}")
    if 0 <= start < end:
        yield answer[start : end + 1]


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in problems)


def result_format(model: type[M]) -> ResultFormat[M]:
    """The format of a pydantic model. Raise ConfigError for what cannot be asked for."""
    known: ResultFormat[M] = _known_format(model)
    return known


@functools.lru_cache(maxsize=256)  # agent functions ask for the same at each turn, and a schema takes milliseconds
def _known_format(model: Any) -> ResultFormat[Any]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"result={model!r}: use a pydantic model (a class that inherits from BaseModel)")
    try:
        schema = schema_of(model)
    except (PydanticUserError, PydanticInvalidForJsonSchema) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"result={model.__name__}: one of its types has no JSON form ({reason})") from error
    if schema.get("type") != "object":
        raise ConfigError(f"result={model.__name__}: services answer with objects; use a model with fields")
    try:
        strict = strict_form(schema)
    except NotStrict:
        strict = None
    return ResultFormat(model, schema, strict)

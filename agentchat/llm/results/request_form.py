"""How a request asks for a result: in the first of three ways that its service has.

"schema": `response_format` with the JSON schema. "tool": the model must call a tool whose arguments are the result.
"prompt": the schema stands in the conversation, and the model is told to answer with JSON alone. Which way a service
begins with is in its profile; what it refuses, or ignores, is remembered for as long as the process lives.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from agentchat.llm.learned import Learned
from agentchat.llm.profiles import Profile, ResultForm
from agentchat.llm.results.result_format import Misfit, ResultFormat
from agentchat.llm.tool_schemas import tools_for

RESULT_TOOL = "final_result"
MAX_REPAIRS = 2
MAX_QUOTED_CHARS = 20_000  # of an answer that did not fit, when the model is asked for a better one

_FORMS: tuple[ResultForm, ...] = get_args(ResultForm)
_ABOUT = {
    "schema": re.compile(
        r"response[_ ]?(format|mime|schema)|text\.format|json[_ ]?(schema|mode|object)|mime type"
        r"|structured[_ ]?output|schema|grammar|guided",
        re.IGNORECASE,
    ),
    "tool": re.compile(r"tool|function", re.IGNORECASE),
}
_ABOUT_THIS_ONE = re.compile(r"invalid[_ ](json[_ ])?schema", re.IGNORECASE)  # another schema may be accepted

_unfit: Learned[tuple[tuple[ResultForm, bool], ...]] = Learned()

Message = Mapping[str, Any]


def forms_for(profile: Profile, *, base_url: str, model: str, has_tools: bool) -> Iterator[ResultForm]:
    """The ways to ask this service, the best one first. The last one is always there."""
    unfit = _unfit.of(base_url, model) or ()
    for form in _FORMS[_FORMS.index(profile.results) :]:
        if form == "prompt" or (form, has_tools) not in unfit:
            yield form


def forms_after(
    form: ResultForm, profile: Profile, *, base_url: str, model: str, has_tools: bool
) -> Iterator[ResultForm]:
    """The ways that are left when this one did not work."""
    for other in forms_for(profile, base_url=base_url, model=model, has_tools=has_tools):
        if _FORMS.index(other) > _FORMS.index(form):
            yield other


def is_about(form: ResultForm, words: str) -> bool:
    """Whether a service refuses this way of asking, with these words."""
    return form in _ABOUT and bool(_ABOUT[form].search(words))


def learn(form: ResultForm, words: str = "", *, base_url: str, model: str, has_tools: bool) -> None:
    """Remember that this way is refused, with these words, or ignored."""
    known = _unfit.of(base_url, model) or ()
    if form != "prompt" and (form, has_tools) not in known and not _ABOUT_THIS_ONE.search(words):
        _unfit.learn(base_url, model, (*known, (form, has_tools)))


def forget_learned() -> None:
    _unfit.forget()


# --- what is sent -----------------------------------------------------------------------------------------------------


def with_result(
    body: Mapping[str, Any], result: ResultFormat[Any], form: ResultForm, profile: Profile
) -> dict[str, Any]:
    """The request, asking for the result in this way; "prompt" is in its messages already (`with_instruction`)."""
    match form:
        case "schema":
            strict = result.strict_schema
            schema = {"name": result.name, "schema": strict or result.schema, "strict": strict is not None}
            return {**body, "response_format": {"type": "json_schema", "json_schema": schema}}
        case "tool":
            tools = body.get("tools") or []
            name = tool_name(tools)
            function = {"name": name, "description": "Give the final answer.", "parameters": result.schema}
            [tool] = tools_for([{"type": "function", "function": function}], profile.schemas)
            forced: Any = "required" if tools else {"type": "function", "function": {"name": name}}
            return {**body, "tools": [*tools, tool], "tool_choice": forced}
    return dict(body)


def tool_name(tools: Sequence[Mapping[str, Any]]) -> str:
    """A name that none of these tools has."""
    names = {(tool.get("function") or {}).get("name") for tool in tools}
    name = RESULT_TOOL
    while name in names:
        name += "_"
    return name


def with_instruction(messages: Sequence[Message], result: ResultFormat[Any]) -> list[Message]:
    """The conversation, in which the model is told what to answer with."""
    instruction = f"Answer with one JSON object and nothing else: no other words. {_schema_text(result)}"
    first = next((n for n, each in enumerate(messages) if each.get("role") not in ("system", "developer")), 0)
    return [*messages[:first], {"role": "system", "content": instruction}, *messages[first:]]


def with_repair(messages: Sequence[Message], result: ResultFormat[Any], written: str, misfit: Misfit) -> list[Message]:
    """The conversation, in which the model is told what is wrong with its answer."""
    text = f"This answer cannot be used: {misfit}. Write all of it again, as one JSON object and nothing else."
    return [
        *messages,
        {"role": "assistant", "content": written[:MAX_QUOTED_CHARS] or "(nothing)"},
        {"role": "user", "content": f"{text} {_schema_text(result)}"},
    ]


def _schema_text(result: ResultFormat[Any]) -> str:
    return f"It must fit this JSON schema:\n\n{json.dumps(result.schema, ensure_ascii=False)}"

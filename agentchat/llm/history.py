"""A conversation in the form that a service accepts: the one step between the messages of agents and a request.

Agents write what comes to them: empty texts, names in any script, calls of tools that do not exist with arguments that
are no JSON, calls that nobody answered, and what another service's model wrote before. Some services refuse such a
request, and would refuse it for ever: what is in a history stays there. So each part is put right here, as little as
the service's profile demands.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentchat.core.json_values import as_json, as_text
from agentchat.llm.history_calls import functions_as_tools, tools_as_texts, with_results
from agentchat.llm.history_names import NameSpelling
from agentchat.llm.profiles import Profile
from agentchat.llm.response import REASONING_FIELDS

Message = dict[str, Any]

CONTINUE = "Please continue."  # what a user means who says nothing
NO_OUTPUT = "(no output)"
CALLING = "I use a tool."
RECEIVED = "OK."  # the answer to a tool's result, where the user spoke first

ITEMS = "reasoning_items"  # which only the Responses API has
_FIELDS = ("role", "content", "name", "tool_calls", "tool_call_id", "function_call")


def normalized(messages: Iterable[Mapping[str, Any]], profile: Profile, *, has_tools: bool) -> list[Message]:
    """The messages as the service with this profile accepts them. `has_tools`: whether the request offers tools."""
    cleaned = [_cleaned(message, profile) for message in messages]
    if not profile.functions:
        cleaned = functions_as_tools(cleaned)
    paired = with_results(cleaned, profile.call_ids, names_results=profile.named_results)
    if profile.calls_need_tools and not has_tools:
        paired = tools_as_texts(paired)
    spelling = NameSpelling(profile.names, paired)
    filled = [shaped for message in paired if (shaped := _shaped(spelling.apply(message), profile)) is not None]
    return _in_order(filled, profile)


def _cleaned(message: Mapping[str, Any], profile: Profile) -> Message:
    """A message with the fields that the service knows, and values that JSON has."""
    known = {
        key: as_json(value)
        for key, value in message.items()
        if value is not None and (profile.extra_fields or key in _FIELDS or key in REASONING_FIELDS)
    }
    return {"content": None, **known, "role": as_text(known.get("role") or "user")}


# --- one message ------------------------------------------------------------------------------------------------------


def _shaped(message: Message, profile: Profile) -> Message | None:
    """The message with content that the service accepts; None if nothing is left to say."""
    content, role = _content(message["content"], profile), message["role"]
    if message.get("tool_calls") or message.get("function_call"):
        return _calling({**message, "content": content}, profile)
    reasoning = _reasoning_of_answer(message, profile)
    message = {key: value for key, value in message.items() if key not in REASONING_FIELDS}
    if not content:
        if role in ("system", "developer") or (role == "assistant" and not profile.empty_answers):
            return None
        content = {"assistant": "", "user": CONTINUE}.get(role, NO_OUTPUT)
    if role in ("tool", "function") and not isinstance(content, str):
        content = _text(content) or NO_OUTPUT
    return {**message, "content": content, **reasoning}


def _reasoning_of_answer(message: Message, profile: Profile) -> Message:
    goes_back = message["role"] == "assistant" and profile.reasoning == "everywhere"
    return {"reasoning_content": _thought(message)} if goes_back else {}


def _content(content: Any, profile: Profile) -> Any:
    """The content as a text, or as a list of parts that are not empty; None if it says nothing."""
    if isinstance(content, Mapping):
        content = [content] if "type" in content else json.dumps(content, ensure_ascii=False)
    if not isinstance(content, list):
        text = "" if content is None else as_text(content)
        return text if text.strip() else None
    parts = [_part(part) for part in content]
    parts = [part for part in parts if part.get("type") != "text" or str(part.get("text", "")).strip()]
    if parts and not profile.parts and all(part.get("type") == "text" for part in parts):
        return _text(parts)
    return parts


def _part(part: Any) -> Message:
    if not isinstance(part, Mapping):
        return {"type": "text", "text": as_text(part)}
    return dict(part) if "type" in part else {"type": "text", **part}


def _text(content: Any) -> str:
    if not isinstance(content, list):
        return content or ""
    return "\n\n".join(
        part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )


def _calling(message: Message, profile: Profile) -> Message:
    """A message with calls: its reasoning and signatures go back, if the service wants them."""
    match profile.reasoning:
        case "given":
            reasoning = {key: message[key] for key in REASONING_FIELDS if key in message and key != ITEMS}
        case "items":
            reasoning = {ITEMS: message[ITEMS]} if ITEMS in message else {}
        case "none":
            reasoning = {}
        case _:
            reasoning = {"reasoning_content": _thought(message)}
    message = {key: value for key, value in message.items() if key not in REASONING_FIELDS} | reasoning
    if calls := message.get("tool_calls"):
        message["tool_calls"] = list(_signed(calls, profile))
    if not message["content"]:
        message["content"] = {"empty": "", "filled": CALLING}.get(profile.no_content)
        if profile.no_content == "omitted":
            del message["content"]
    return message


def _thought(message: Message) -> str:
    """What the model thought, as a text. A blank one is better than none: services take that for a mistake."""
    thought = next((message[name] for name in REASONING_FIELDS if isinstance(message.get(name), str)), None)
    return thought or _text(message.get("reasoning_details")) or " "


def _signed(calls: Sequence[Message], profile: Profile) -> Iterator[Message]:
    for position, call in enumerate(calls):
        if profile.signatures == "none":
            yield {key: value for key, value in call.items() if key != "extra_content"}
        elif profile.signatures == "required" and position == 0 and not call.get("extra_content"):
            # Google's own word for a call that another model made. Only the first of parallel calls is signed.
            yield {**call, "extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}
        else:
            yield call


# --- their order ------------------------------------------------------------------------------------------------------


def _in_order(messages: list[Message], profile: Profile) -> list[Message]:
    if profile.system == "first":
        messages = _with_system_first(messages)
    if profile.alternating:
        messages = _merged(messages)
    if profile.answer_after_tool:
        messages = list(_with_answers_after_tools(messages, profile))
    spoken = [message for message in messages if message["role"] not in ("system", "developer")]
    if spoken:
        user_is_missing = profile.alternating and spoken[0]["role"] != "user"
    else:
        user_is_missing = profile.system == "first" or not messages
    if user_is_missing:
        messages.insert(len(messages) - len(spoken), _from_user(CONTINUE))
    if profile.user_last and messages[-1]["role"] == "assistant":
        messages.append(_from_user(CONTINUE))
    return messages


def _from_user(text: str) -> Message:
    return {"role": "user", "content": text}


def _with_system_first(messages: list[Message]) -> list[Message]:
    """One system message at the beginning; what is said to the system later is said by the user, in its place."""
    ordered: list[Message] = []
    for message in messages:
        if message["role"] not in ("system", "developer"):
            ordered.append(message)
        elif not ordered:
            ordered.append({**message, "role": "system"})
        elif len(ordered) == 1 and ordered[0]["role"] == "system":
            ordered[0] = _joined(ordered[0], message)
        else:
            ordered.append({**message, "role": "user"})
    return ordered


def _merged(messages: list[Message]) -> list[Message]:
    """Messages of the same speaker in a row as one."""
    merged: list[Message] = []
    for message in messages:
        before = merged[-1] if merged else {}
        is_same = message["role"] == before.get("role") in ("user", "assistant")
        if is_same and not (before.get("tool_calls") or before.get("function_call")):
            merged[-1] = _joined(before, message)
        else:
            merged.append(message)
    return merged


def _joined(first: Message, second: Message) -> Message:
    contents = [message["content"] for message in (first, second) if message.get("content")]
    if all(isinstance(content, str) for content in contents):
        return {**first, **second, "role": first["role"], "content": "\n\n".join(contents)}
    parts = [part for content in contents for part in (content if isinstance(content, list) else [_part(content)])]
    return {**first, **second, "role": first["role"], "content": parts}


def _with_answers_after_tools(messages: Iterable[Message], profile: Profile) -> Iterator[Message]:
    before = ""
    for message in messages:
        if before == "tool" and message["role"] == "user":
            yield {"role": "assistant", "content": RECEIVED, **_reasoning_of_answer({"role": "assistant"}, profile)}
        yield message
        before = message["role"]

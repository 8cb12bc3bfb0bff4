"""What services refuse in a conversation, in the words in which they do: for a scripted LLM that answers as one."""

import json
import re
from collections.abc import Callable, Iterator

from agentchat.testing import fail, say

Rule = Callable[[dict], str | None]


def refusing(*rules: Rule, answer=None, status: int = 400):
    """A scripted answer: what the first of the rules says about a request, else `answer(request)`, else "ok"."""

    def respond(request):
        words = next(filter(None, (rule(request) for rule in rules)), None)
        return fail(status, words) if words else answer(request) if answer else say("ok")

    return respond


def _calls(request) -> Iterator[dict]:
    for message in request["messages"]:
        yield from message.get("tool_calls") or ()


def _roles(request) -> list[str]:
    return [message["role"] for message in request["messages"]]


# --- what all of them refuse ------------------------------------------------------------------------------------------


def unpaired_calls(request):
    for place, message in enumerate(request["messages"]):
        wanted = [call["id"] for call in message.get("tool_calls") or ()]
        results = request["messages"][place + 1 : place + 1 + len(wanted)]
        if sorted(wanted) != sorted(result.get("tool_call_id", "") for result in results):
            return "An assistant message with 'tool_calls' must be followed by tool messages"
    if _roles(request).count("tool") != len(list(_calls(request))):
        return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
    return None


def repeated_ids(request):
    ids = [call["id"] for call in _calls(request)]
    return None if len(ids) == len(set(ids)) else "`tool_use` ids must be unique"


def broken_arguments(request):
    functions = [call["function"] for call in _calls(request)]
    functions += [message["function_call"] for message in request["messages"] if message.get("function_call")]
    for function in functions:
        try:
            if not isinstance(json.loads(function["arguments"], parse_constant=int), dict):
                return "arguments must be an object"
        except ValueError as error:
            return f"Failed to parse tool call arguments as JSON: {error}"
        if "\\ud" in function["arguments"]:
            return "lone leading surrogate in hex escape"
    return None


def made_up_names(request):
    if not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"]) for call in _calls(request)):
        return "Invalid 'messages[2].tool_calls[0].function.name': string does not match pattern"
    return None


def empty_messages(request):
    for message in request["messages"]:
        texts = (
            [part.get("text") for part in message["content"] if part["type"] == "text"]
            if isinstance(message.get("content"), list)
            else [message.get("content")]
        )
        if message["role"] in ("user", "tool", "system") and not all(text and text.strip() for text in texts or [""]):
            return "text content blocks must contain non-whitespace text"
    return None


def no_messages(request):
    return None if request["messages"] else "[] is too short - 'messages'"


# --- what some of them refuse -----------------------------------------------------------------------------------------


def names(request):
    return "messages.1.name: Extra inputs are not permitted" if any("name" in m for m in request["messages"]) else None


def names_unlike(pattern) -> Rule:
    def rule(request):
        given = [message["name"] for message in request["messages"] if "name" in message]
        return None if all(re.fullmatch(pattern, name) for name in given) else "Invalid 'messages[1].name'"

    return rule


def ids_unlike(pattern) -> Rule:
    def rule(request):
        ids = [call["id"] for call in _calls(request)]
        return (
            None if all(re.fullmatch(pattern, id_) for id_ in ids) else "Tool call id was x but must be a-z, A-Z, 0-9"
        )

    return rule


def fields_beyond(*known) -> Rule:
    def rule(request):
        strange = {key for message in request["messages"] for key in message} - {"role", "content", *known}
        strange |= {key for call in _calls(request) for key in call} - {"id", "type", "function"}
        return f"property {sorted(strange)[0]!r} is unsupported" if strange else None

    return rule


def fields(*refused) -> Rule:
    def rule(request):
        found = {key for message in [*request["messages"], *_calls(request)] for key in message} & set(refused)
        return f"Additional properties are not allowed: {found}" if found else None

    return rule


def missing_reasoning(request):
    for place, message in enumerate(request["messages"]):
        if message.get("tool_calls") and not message.get("reasoning_content"):
            return f"Missing `reasoning_content` field in the assistant message at message index {place}"
    return None


def missing_reasoning_anywhere(request):
    for place, message in enumerate(request["messages"]):
        if message["role"] == "assistant" and not message.get("reasoning_content"):
            return f"requires reasoning_content on every assistant message, missing at index {place}"
    return None


def empty_content_of_calls(request):
    if any(message.get("tool_calls") and not message.get("content", "x") for message in request["messages"]):
        return "text content is empty"
    return None


def nameless_results(request):
    if all(message.get("name") for message in request["messages"] if message["role"] == "tool"):
        return None
    return "GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty."


def missing_signatures(request):
    for message in request["messages"]:
        if message.get("tool_calls") and "extra_content" not in message["tool_calls"][0]:
            return "Function call is missing a thought_signature in functionCall parts"
    return None


def late_system_messages(request):
    return "System message must be at the beginning." if "system" in _roles(request)[1:] else None


def roles_in_a_row(request):
    spoken = [
        message["role"]
        for message in request["messages"]
        if message["role"] not in ("system", "tool") and not message.get("tool_calls")
    ]
    if spoken and all(role == ("user", "assistant")[place % 2] for place, role in enumerate(spoken)):
        return None
    return "After the optional system message, conversation roles must alternate user and assistant roles"


def turns_of_gemini(request):
    roles = [role for role in _roles(request) if role != "system"]
    if not roles:
        return "contents is not specified"
    for before, role in zip(["", *roles], roles, strict=False):
        if role == "assistant" and before not in ("user", "tool"):
            return "Please ensure that function call turn comes immediately after a user turn"
    return None


def user_after_tool(request):
    for before, role in zip(_roles(request), _roles(request)[1:], strict=False):
        if (before, role) == ("tool", "user"):
            return "Unexpected role 'user' after role 'tool'"
    return None


def answer_last(request):
    if _roles(request)[-1] in ("user", "tool"):
        return None
    return "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"


def empty_answers(request):
    for message in request["messages"]:
        if message["role"] == "assistant" and not message.get("content") and not message.get("tool_calls"):
            return "the message at position 8 with role 'assistant' must not be empty"
    return None


def null_content(request):
    if all(isinstance(message.get("content"), str | list) for message in request["messages"]):
        return None
    return "invalid message content type: <nil>"


def text_in_parts(request):
    for message in request["messages"]:
        content = message.get("content")
        if isinstance(content, list) and all(part["type"] == "text" for part in content):
            return "invalid type: sequence, expected a string"
    return None


def functions(request):
    if "function" in _roles(request) or any("function_call" in message for message in request["messages"]):
        return "unknown variant `function`, expected one of `system`, `user`, `assistant`, `tool`"
    return None


def calls_without_tools(request):
    if list(_calls(request)) and not request.get("tools"):
        return "Requests which include `tool_use` or `tool_result` blocks must define tools"
    return None


EVERYONE = (unpaired_calls, repeated_ids, broken_arguments, made_up_names, empty_messages, no_messages)
_REASONING = fields("reasoning", "reasoning_content", "reasoning_details")
_STRICT_FIELDS = fields_beyond("name", "tool_calls", "tool_call_id")

SERVICES: dict[str, tuple[Rule, ...]] = {
    "openai": (ids_unlike(".{1,40}"), names_unlike(r"[^\s<|\\/>]{1,64}"), _REASONING, fields("extra_content")),
    "azure": (ids_unlike(".{1,40}"), names_unlike("[a-zA-Z0-9_-]{1,64}"), _REASONING, fields("extra_content")),
    "mistral": (
        *(ids_unlike("[a-zA-Z0-9]{9}"), names, _STRICT_FIELDS, functions, null_content, empty_answers),
        *(user_after_tool, answer_last, late_system_messages),
    ),
    "deepseek": (missing_reasoning, functions, text_in_parts, fields("extra_content")),
    "kimi": (missing_reasoning_anywhere, empty_content_of_calls, functions, empty_answers, fields("extra_content")),
    "gemini": (nameless_results, turns_of_gemini, functions, late_system_messages, _REASONING),
    "groq": (_STRICT_FIELDS, functions, null_content, text_in_parts),
    "cerebras": (_STRICT_FIELDS, functions, null_content),
    "anthropic": (ids_unlike("[a-zA-Z0-9_-]+"), functions, empty_answers, answer_last, calls_without_tools),
    "openrouter": (functions, empty_answers, names_unlike("[a-zA-Z0-9_-]{1,64}")),
    "ollama": (functions, null_content, late_system_messages),
    "vllm": (functions, late_system_messages),
    "llama.cpp": (functions, late_system_messages, turns_of_gemini, null_content, text_in_parts),
    "generic": (ids_unlike("[a-zA-Z0-9_-]{1,40}"),),
    "strict": (
        *(ids_unlike("[a-zA-Z0-9]{9}"), names, fields_beyond("tool_calls", "tool_call_id"), functions, null_content),
        *(user_after_tool, answer_last, late_system_messages, roles_in_a_row, turns_of_gemini, empty_answers),
        *(calls_without_tools, text_in_parts, empty_content_of_calls),
    ),
}

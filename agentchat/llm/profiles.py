"""What each service accepts in a conversation: a profile, chosen by its address and the model, or by name.

`history` brings the messages of a request into the form that a profile describes. What was tried with which service,
and where it is known from, is in docs/models.md.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from agentchat.core.files import PartKind
from agentchat.llm.learned import Learned
from agentchat.llm.tool_schemas import Schemas


class CallIds(NamedTuple):
    """The ids of tool calls that a service accepts, and how new ones are made of a digest."""

    pattern: re.Pattern[str]
    prefix: str = "call_"
    digits: int = 24


ResultForm = Literal["schema", "tool", "prompt"]
"""How an answer of a certain type is asked for (`results.request_form`)."""

ALL_KINDS: frozenset[PartKind] = frozenset(get_args(PartKind))

ANY_ID = CallIds(re.compile(r".+", re.DOTALL))
SHORT_ID = CallIds(re.compile(r"[a-zA-Z0-9_-]{1,40}"))
NINE_CHARACTERS = CallIds(re.compile(r"[a-zA-Z0-9]{9}"), prefix="", digits=9)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a service accepts in the messages of a request. The defaults are what most of them accept.

    `names`: whether a message may name its speaker, in which letters; without names, texts begin with them if there are
    several. `no_content` is the content of a message that only calls tools; `empty_answers`: one that does not may be
    empty, too. `parts`: texts may be lists of parts. `functions`: the older function calls. `extra_fields`: fields of
    messages that OpenAI does not define. `reasoning` goes back with the calls that it led to as it was "given", always
    ("required"), with all answers ("everywhere"), as "items" of the Responses API, or never; so do the `signatures` of
    calls. `system` messages stand "first", or anywhere. `alternating`: no two messages of one role in a row, and the
    first is the user's.
    `answer_after_tool`: the user speaks only after an answer. `user_last`: the request does not end with an answer.
    `calls_need_tools`: no calls in a conversation without tools. `named_results`: a result names its tool. `schemas`:
    how much of JSON Schema tools may use (`tool_schemas`). `results`: how typed answers are asked for, at first.
    `media`: the kinds of files that parts of messages may be, at first (`file_parts`).
    """

    name: str
    names: Literal["any", "ascii", "none"] = "ascii"
    call_ids: CallIds = SHORT_ID
    no_content: Literal["null", "empty", "omitted", "filled"] = "null"
    empty_answers: bool = True
    parts: bool = True
    functions: bool = True
    extra_fields: bool = True
    reasoning: Literal["given", "required", "everywhere", "items", "none"] = "given"
    signatures: Literal["given", "required", "none"] = "given"
    system: Literal["anywhere", "first"] = "anywhere"
    alternating: bool = False
    answer_after_tool: bool = False
    user_last: bool = False
    calls_need_tools: bool = False
    named_results: bool = False
    schemas: Schemas = "full"
    results: ResultForm = "schema"
    media: frozenset[PartKind] = ALL_KINDS


GENERIC = Profile(name="generic")
STRICT = Profile(
    name="strict",  # what every service accepts
    names="none",
    call_ids=NINE_CHARACTERS,
    no_content="filled",
    empty_answers=False,
    parts=False,
    functions=False,
    extra_fields=False,
    reasoning="none",
    signatures="none",
    system="first",
    alternating=True,
    answer_after_tool=True,
    user_last=True,
    calls_need_tools=True,
    schemas="plain",
    results="prompt",
    media=frozenset(),
)

_CLOSED: dict[str, Any] = {"reasoning": "none", "signatures": "none", "functions": False, "extra_fields": False}
_TEMPLATES: dict[str, Any] = {  # models behind a chat template
    **{"names": "none", "system": "first", "functions": False, "schemas": "inlined"},
}
_SEEN: frozenset[PartKind] = frozenset({"image"})
_SEEN_AND_HEARD: frozenset[PartKind] = frozenset({"image", "audio"})
_SERVICES = (
    Profile(name="openai", names="any", reasoning="none", signatures="none"),
    Profile(name="azure", reasoning="none", signatures="none"),
    Profile(
        name="mistral",
        names="none",
        call_ids=NINE_CHARACTERS,
        no_content="empty",
        empty_answers=False,
        system="first",
        answer_after_tool=True,
        user_last=True,
        media=_SEEN_AND_HEARD,
        **_CLOSED,
    ),
    Profile(
        name="deepseek",
        empty_answers=False,
        reasoning="required",
        signatures="none",
        functions=False,
        parts=False,
        media=frozenset(),
        results="tool",
    ),
    Profile(
        name="kimi",
        empty_answers=False,
        call_ids=ANY_ID,
        no_content="omitted",
        reasoning="everywhere",
        signatures="none",
        functions=False,
        parts=False,
        media=_SEEN,
        schemas="inlined",
    ),
    Profile(
        name="gemini",
        empty_answers=False,
        names="none",
        reasoning="none",
        system="first",
        alternating=True,
        named_results=True,
        functions=False,
        media=_SEEN_AND_HEARD,
        schemas="plain",
    ),
    Profile(name="groq", no_content="empty", parts=False, media=_SEEN, **_CLOSED),
    Profile(name="cerebras", no_content="empty", parts=False, media=frozenset(), **_CLOSED),
    Profile(
        name="anthropic",
        system="first",
        empty_answers=False,
        names="none",
        reasoning="none",
        user_last=True,
        calls_need_tools=True,
        functions=False,
        media=_SEEN,  # it ignores the others
        results="tool",  # it ignores response_format
    ),
    Profile(name="openrouter", empty_answers=False, functions=False),
    Profile(name="ollama", no_content="empty", media=_SEEN, **_TEMPLATES),
    Profile(name="vllm", media=_SEEN_AND_HEARD, **_TEMPLATES),
    Profile(name="llama.cpp", no_content="empty", parts=False, alternating=True, media=_SEEN_AND_HEARD, **_TEMPLATES),
    GENERIC,
    STRICT,
)
PROFILES = {profile.name: profile for profile in _SERVICES}

_HOSTS = (
    ("openai", r"(.*\.)?openai\.com"),
    ("azure", r".*\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)"),
    ("mistral", r"(.*\.)?mistral\.ai"),
    ("deepseek", r"(.*\.)?deepseek\.com"),
    ("kimi", r"(.*\.)?(moonshot\.(ai|cn)|kimi\.com)"),
    ("gemini", r"(generativelanguage|.*aiplatform)\.googleapis\.com"),
    ("groq", r"(.*\.)?groq\.com"),
    ("cerebras", r"(.*\.)?cerebras\.ai"),
    ("anthropic", r"(.*\.)?anthropic\.com"),
    ("openrouter", r"(.*\.)?openrouter\.ai"),
    ("ollama", r"(.*\.)?ollama(\..*)?"),
    ("vllm", r"(.*[.-])?vllm([.-].*)?"),
    ("llama.cpp", r"(.*[.-])?llama[.-]?(cpp|server)([.-].*)?"),
)
_PORTS = {11434: "ollama", 8000: "vllm", 8080: "llama.cpp", 1234: "llama.cpp"}  # of servers on this machine
_HERE = ("localhost", "127.0.0.1", "::1", "host.docker.internal")

# What models need wherever many are served.
_FAMILIES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        r"mi[sx]tral|ministral|magistral|devstral|codestral|pixtral|voxtral",
        {
            **{"names": "none", "call_ids": NINE_CHARACTERS, "reasoning": "none", "system": "first"},
            **{"alternating": True, "answer_after_tool": True, "user_last": True},
        },
    ),
    (r"gemma", {"names": "none", "system": "first", "alternating": True}),
    (
        r"gemini",
        {"names": "none", "system": "first", "alternating": True, "named_results": True, "schemas": "plain"},
    ),
    (r"qwen|qwq|minimax", {"system": "first"}),
    (r"claude", {"system": "first", "user_last": True, "calls_need_tools": True}),
    (
        r"kimi",
        {"call_ids": ANY_ID, "reasoning": "everywhere", "no_content": "omitted", "schemas": "inlined"},
    ),
    (r"deepseek", {"reasoning": "required"}),
)
_SERVE_MANY = ("generic", "azure", "openrouter", "ollama", "vllm", "llama.cpp")

_NEW_GEMINI = re.compile(r"gemini-([3-9]|[12][0-9])")  # 3 and later refuse calls without a signature


def profile_for(*, api_type: str, base_url: str, model: str) -> Profile:
    """The profile of a model at a service."""
    if api_type == "demo":
        return replace(GENERIC, results="tool", media=frozenset())  # with all rules: nothing guarantees a schema there
    profile = PROFILES["azure" if api_type == "azure" else _service_at(base_url)]
    if profile.name == "gemini" and _NEW_GEMINI.search(model):
        return replace(profile, signatures="required")
    if profile.name in _SERVE_MANY:
        for pattern, needs in _FAMILIES:
            if re.search(pattern, model.lower()):
                return replace(profile, **needs)
    return profile


def fallbacks(profile: Profile) -> Iterator[Profile]:
    """The profiles to try where a service refuses the form of a request: first with reasoning, which some require."""
    if profile.reasoning != "none":
        yield replace(STRICT, reasoning="everywhere", signatures=profile.signatures)
    yield STRICT


def _service_at(base_url: str) -> str:
    address = urlsplit(base_url)
    host = address.hostname or ""
    if found := next((name for name, pattern in _HOSTS if re.fullmatch(pattern, host)), None):
        return found
    return _PORTS.get(address.port or 0, "generic") if host in _HERE else "generic"


# --- what services were found to accept -------------------------------------------------------------------------------

_learned: Learned[Profile] = Learned()


def learn(profile: Profile, *, base_url: str, model: str) -> None:
    """Remember that this is accepted, and what was tried before is not."""
    _learned.learn(base_url, model, profile)


def learned(*, base_url: str, model: str) -> Profile | None:
    return _learned.of(base_url, model)


def forget_learned() -> None:
    _learned.forget()

"""A request: one entry of the config list with the messages, and the cache that may know the answer.

Its messages and tools are in the form that the entry's service accepts (`history`, `tool_schemas`). Where the service
refuses that form all the same, the request is made in a simpler one, and the service is remembered for it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from agentchat.cache import Cache
from agentchat.core.files import File
from agentchat.core.json_values import as_json
from agentchat.core.log import get_logger
from agentchat.core.model_json import arguments_of
from agentchat.errors import ConfigError
from agentchat.llm import file_parts
from agentchat.llm.config_entries import RESPONSES, ConfigEntry, entries_of
from agentchat.llm.history import normalized
from agentchat.llm.model_client import ModelClient
from agentchat.llm.profiles import PROFILES, Profile, ResultForm, fallbacks, learn, learned, profile_for
from agentchat.llm.response import ModelResponse
from agentchat.llm.responses_api.hosted_tools import included
from agentchat.llm.results import Misfit, ResultFormat, request_form, result_format
from agentchat.llm.tool_schemas import function_for, tools_for

logger = get_logger("agentchat.llm")


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """`body` is what is sent, once the `files` that it refers to are in it, those of `media` as parts of their own.

    `client` is asked instead of a service. `result` is asked for in the way `form`.
    """

    entry: ConfigEntry
    profile: Profile
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    tools: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    client: ModelClient | None = None
    cache: Cache | None = None
    result: ResultFormat[Any] | None = None
    form: ResultForm = "prompt"
    files: Mapping[str, File] = field(default_factory=dict, repr=False)
    media: file_parts.Media = frozenset()

    @property
    def has_tools(self) -> bool:
        return bool(self.tools or self.entry.parameters.get("tools") or self.entry.parameters.get("functions"))

    @cached_property
    def body(self) -> dict[str, Any]:
        entry, result = self.entry, self.result
        parameters = {**({"tools": list(self.tools)} if self.tools else {}), **entry.parameters}
        if result is not None:
            parameters.pop("response_format", None)
        told = result is not None and self.form == "prompt"
        messages = file_parts.with_pictures_after_results(self.messages, self.files, self.media)
        messages = request_form.with_instruction(messages, result) if result and told else messages
        body = {
            "model": entry.model,
            "messages": normalized(messages, self.profile, has_tools=self.has_tools or self.form == "tool"),
            **({} if entry.client_class else {"stream": True, "stream_options": {"include_usage": True}}),
            **(parameters if entry.client_class else as_json(parameters)),
        }
        if entry.api == RESPONSES:
            body = {"store": False, "include": included(entry.hosted_tools), **body}
        if result is not None and entry.client_class:
            body["response_format"] = result.model
        if body.get("tools"):
            body["tools"] = tools_for(body["tools"], self.profile.schemas)
        if body.get("functions"):
            body["functions"] = [function_for(function, self.profile.schemas) for function in body["functions"]]
        if result is not None:
            body = request_form.with_result(body, result, self.form, self.profile)
        return {key: value for key, value in body.items() if value is not None}

    def simpler(self) -> "Iterator[ModelRequest]":
        """The same request in forms that more services accept, as far as they differ from this one."""
        tried = [(self.body, self.sent_kinds)]
        for profile in fallbacks(self.profile):
            request = replace(self, profile=profile, media=self.media & profile.media)
            if (request.body, request.sent_kinds) not in tried:
                tried.append((request.body, request.sent_kinds))
                yield request

    def learn(self) -> None:
        """Begin with this form from now on: the service has accepted it, after it had refused others."""
        learn(self.profile, base_url=self.entry.base_url, model=self.entry.model)

    # --- files (see `file_parts`) -------------------------------------------------------------------------------------

    @property
    def sent_kinds(self) -> file_parts.Media:
        """The kinds of files that are sent as they are."""
        return file_parts.kinds_in(self.messages, self.files) & self.media

    def with_data(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body with its files. Blocks if there are some."""
        return file_parts.with_data(body, self.files, self.media) if self.files else body

    def without_refused(self, words: str) -> "ModelRequest | None":
        """The request with text in place of the files that the service has refused with these words; None: of none."""
        where = {"base_url": self.entry.base_url, "model": self.entry.model}
        sent = self.sent_kinds
        refused = file_parts.refused_kinds(words, sent, **where) if sent else frozenset()
        return replace(self, media=self.media - refused) if refused else None

    # --- a result (see `results.request_form`) -----------------------------------------------------------------------

    def in_other_form(self, words: str = "") -> "ModelRequest | None":
        """The request, asking for its result in another way; None if there is no other.

        The service has refused this one with these words, or ignored it: the next requests begin with the other.
        """
        if self.result is None or self.form == "prompt" or (words and not request_form.is_about(self.form, words)):
            return None
        where = {"base_url": self.entry.base_url, "model": self.entry.model}
        request_form.learn(self.form, words, **where, has_tools=self.has_tools)
        forms = request_form.forms_after(self.form, self.profile, **where, has_tools=self.has_tools)
        return replace(self, form=next(forms))

    def for_repair(self, written: str, misfit: Misfit) -> "ModelRequest":
        """The request for another answer, instead of one that did not fit."""
        request = self if misfit.is_json else self.in_other_form() or self
        assert self.result is not None
        return replace(request, messages=request_form.with_repair(self.messages, self.result, written, misfit))

    def with_result_as_text(self, response: ModelResponse) -> ModelResponse:
        """The answer, with the arguments of the result's tool as its text: unless it calls others, which come first."""
        tools = self.body.get("tools") or []
        name = request_form.tool_name(tools[:-1] if self.form == "tool" else tools)
        own = [call for call in response.tool_calls if call["function"]["name"] == name]
        if not own:
            return response
        if others := tuple(call for call in response.tool_calls if call not in own):
            return replace(response, tool_calls=others)
        content = arguments_of(own[0]["function"])
        finish_reason = "stop" if response.finish_reason == "tool_calls" else response.finish_reason
        return replace(response, content=content, tool_calls=(), reasoning=None, finish_reason=finish_reason)

    @property
    def key(self) -> str:
        """A digest of the request without the API key and the timeout: the same request has the same answer."""
        entry = self.entry
        of = [entry.client_class or entry.base_url, entry.deployment, entry.query]
        asked = self if self.result is None else replace(self, form="schema")  # in whichever way it is asked for
        request = {"of": of, "body": asked.body, **({"hosted": entry.hosted_tools} if entry.hosted_tools else {})}
        written = json.dumps(request, sort_keys=True, default=repr)
        for reference, file in self.files.items():  # the same file again is another one with the same contents
            written = written.replace(reference, f"sha256:{file.sha256}")
        return hashlib.sha256(written.encode()).hexdigest()

    def cached_response(self) -> ModelResponse | None:
        """The answer, if the cache has it. Blocks. What it has may be anything; if it is no answer, there is none."""
        value = None if self.cache is None else self.cache.get(self.key)
        if value is None:
            return None
        try:
            return replace(ModelResponse.from_json(value), cached=True)
        except (AttributeError, TypeError, ValueError) as error:
            logger.warning("what is cached is not an answer, so %s is asked: %s", self.entry, error)
            return None

    def store(self, response: ModelResponse) -> None:
        """Cache the answer. Blocks."""
        if self.cache is not None:
            self.cache.set(self.key, replace(response, refused=()).to_json())


def requests_for(
    llm_config: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]],
    clients: Mapping[int, ModelClient],
    cache: Cache | None,
    result: ResultFormat[Any] | None = None,
    files: Mapping[str, File] = MappingProxyType({}),
) -> list[ModelRequest]:
    """A request for each entry, for this result. Raise ConfigError if one of them could never be asked."""
    tools = [*(llm_config.get("tools") or ()), *tools]
    requests = []
    for position, entry in enumerate(entries_of(llm_config)):
        if entry.client_class and position not in clients:
            raise ConfigError(f"{entry}: call register_model_client({entry.client_class}) first")
        own_cache = None if entry.cache_seed is None else Cache.disk(entry.cache_seed)
        request = ModelRequest(
            entry=entry,
            profile=(profile := _profile_of(entry)),
            messages=messages,
            tools=tools,
            client=clients.get(position),
            cache=own_cache if cache is None else cache,
            result=result or _result_of(entry),
            files=files,
            media=file_parts.media_for(profile.media, base_url=entry.base_url, model=entry.model),
        )
        requests.append(replace(request, form=_form_of(request)))
    return requests


def _result_of(entry: ConfigEntry) -> ResultFormat[Any] | None:
    """What the entry's own `response_format` asks for; a custom client gets that as it is, and does as it likes."""
    model = entry.parameters.get("response_format")
    return result_format(model) if isinstance(model, type) and not entry.client_class else None


def _form_of(request: ModelRequest) -> ResultForm:
    entry = request.entry
    if entry.client_class or request.result is None:
        return "prompt"
    where = {"base_url": entry.base_url, "model": entry.model}
    return next(request_form.forms_for(request.profile, **where, has_tools=request.has_tools))


def _profile_of(entry: ConfigEntry) -> Profile:
    profile = _chat_profile_of(entry)
    if entry.api == RESPONSES:
        reasoning: Literal["items", "none"] = "none" if profile.name == "strict" else "items"
        return replace(profile, reasoning=reasoning, names="none", functions=False, media=profile.media - {"audio"})
    return profile


def _chat_profile_of(entry: ConfigEntry) -> Profile:
    if known := learned(base_url=entry.base_url, model=entry.model):
        return known
    if entry.profile is not None:
        return PROFILES[entry.profile]
    return profile_for(api_type=entry.api_type, base_url=entry.base_url, model=entry.model)

"""A request: one entry of the config list with the messages, and the cache that may know the answer.

Its messages and tools are in the form that the entry's service accepts (`history`, `tool_schemas`). Where the service
refuses that form all the same, the request is made in a simpler one, and the service is remembered for it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from agentchat.cache import Cache
from agentchat.core.json_values import as_json
from agentchat.core.log import get_logger
from agentchat.errors import ConfigError
from agentchat.llm.config_entries import ConfigEntry, entries_of
from agentchat.llm.history import normalized
from agentchat.llm.model_client import ModelClient
from agentchat.llm.profiles import PROFILES, Profile, fallbacks, learn, learned, profile_for
from agentchat.llm.response import ModelResponse
from agentchat.llm.tool_schemas import function_for, tools_for

logger = get_logger("agentchat.llm")


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """`body` is what is sent. `client` is asked instead of a service."""

    entry: ConfigEntry
    profile: Profile
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    tools: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    client: ModelClient | None = None
    cache: Cache | None = None

    @cached_property
    def body(self) -> dict[str, Any]:
        entry = self.entry
        has_tools = bool(self.tools or entry.parameters.get("tools") or entry.parameters.get("functions"))
        offered = {"tools": list(self.tools)} if self.tools else {}
        body = {
            "model": entry.model,
            "messages": normalized(self.messages, self.profile, has_tools=has_tools),
            **({} if entry.client_class else {"stream": True, "stream_options": {"include_usage": True}}),
            **({**offered, **entry.parameters} if entry.client_class else as_json({**offered, **entry.parameters})),
        }
        if body.get("tools"):
            body["tools"] = tools_for(body["tools"], self.profile.schemas)
        if body.get("functions"):
            body["functions"] = [function_for(function, self.profile.schemas) for function in body["functions"]]
        return {key: value for key, value in body.items() if value is not None}

    def simpler(self) -> "Iterator[ModelRequest]":
        """The same request in forms that more services accept, as far as they differ from this one."""
        tried = [self.body]
        for profile in fallbacks(self.profile):
            request = replace(self, profile=profile)
            if request.body not in tried:
                tried.append(request.body)
                yield request

    def learn(self) -> None:
        """Begin with this form from now on: the service has accepted it, after it had refused others."""
        learn(self.profile, base_url=self.entry.base_url, model=self.entry.model)

    @property
    def key(self) -> str:
        """A digest of the request without the API key and the timeout: the same request has the same answer."""
        entry = self.entry
        of = [entry.client_class or entry.base_url, entry.deployment, entry.query]
        request = {"of": of, "body": self.body}
        return hashlib.sha256(json.dumps(request, sort_keys=True, default=repr).encode()).hexdigest()

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
            self.cache.set(self.key, response.to_json())


def requests_for(
    llm_config: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]],
    clients: Mapping[int, ModelClient],
    cache: Cache | None,
) -> list[ModelRequest]:
    """A request for each entry. Raise ConfigError if one of them could never be asked."""
    tools = [*(llm_config.get("tools") or ()), *tools]
    requests = []
    for position, entry in enumerate(entries_of(llm_config)):
        if entry.client_class and position not in clients:
            raise ConfigError(f"{entry}: call register_model_client({entry.client_class}) first")
        own_cache = None if entry.cache_seed is None else Cache.disk(entry.cache_seed)
        requests.append(
            ModelRequest(
                entry=entry,
                profile=_profile_of(entry),
                messages=messages,
                tools=tools,
                client=clients.get(position),
                cache=own_cache if cache is None else cache,
            )
        )
    return requests


def _profile_of(entry: ConfigEntry) -> Profile:
    if known := learned(base_url=entry.base_url, model=entry.model):
        return known
    if entry.profile is not None:
        return PROFILES[entry.profile]
    return profile_for(api_type=entry.api_type, base_url=entry.base_url, model=entry.model)

"""What is asked of whom: one entry of the config list with the messages, and the cache that may know the answer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentchat.cache import Cache
from agentchat.errors import ConfigError
from agentchat.llm.entries import Entry, entries_of
from agentchat.llm.model_client import ModelClient
from agentchat.llm.reply import Reply


@dataclass(frozen=True, kw_only=True)
class Question:
    """`body` is the request's. `client` is asked instead of a service."""

    entry: Entry
    body: Mapping[str, Any] = field(repr=False)
    client: ModelClient | None = None
    cache: Cache | None = None

    @property
    def key(self) -> str:
        """The whole of it, but for the API key and how long we wait: the same question has the same answer."""
        asked = {"of": self.entry.client_class or self.entry.base_url, "body": self.body}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def kept_answer(self) -> Reply | None:
        """The answer, if the cache has it. Blocks."""
        kept = None if self.cache is None else self.cache.get(self.key)
        return None if kept is None else replace(Reply.from_json(kept), cached=True)

    def keep(self, reply: Reply) -> None:
        """Let the cache have the answer. Blocks."""
        if self.cache is not None:
            self.cache.set(self.key, reply.to_json())


def questions_of(
    llm_config: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]],
    clients: Mapping[int, ModelClient],
    cache: Cache | None,
) -> list[Question]:
    """A question for each entry. Raise ConfigError if one of them could never be asked."""
    tools = [*(llm_config.get("tools") or ()), *tools]
    questions = []
    for position, entry in enumerate(entries_of(llm_config)):
        if entry.client_class and position not in clients:
            raise ConfigError(f"{entry}: call register_model_client({entry.client_class}) first")
        own_cache = None if entry.cache_seed is None else Cache.disk(entry.cache_seed)
        questions.append(
            Question(
                entry=entry,
                body=_body(entry, messages, tools),
                client=clients.get(position),
                cache=own_cache if cache is None else cache,
            )
        )
    return questions


def _body(entry: Entry, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    body = {
        "model": entry.model,
        "messages": list(messages),
        **({} if entry.client_class else {"stream": True, "stream_options": {"include_usage": True}}),
        **({"tools": list(tools)} if tools else {}),
        **entry.parameters,
    }
    return {key: value for key, value in body.items() if value is not None}

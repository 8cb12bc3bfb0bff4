"""What a service does not know of OpenAI's API, and is asked again without.

Learned from its refusal, and remembered for as long as the process lives. Only what an answer does not depend on is
left out or renamed: everything else is a refusal that the caller must see.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentchat.llm.config_entries import ConfigEntry
from agentchat.llm.learned import Learned
from agentchat.llm.responses_api.hosted_tools import REASONING

Body = dict[str, Any]

_UNKNOWN = r"extra|unknown|unrecogni[sz]ed|unexpected|unsupported|invalid|not (permitted|supported|allowed|available)"


@dataclass(frozen=True, kw_only=True)
class _Amendment:
    """`key` of the request is the matter where the service's words are like this; `change` makes it acceptable."""

    key: str
    words: re.Pattern[str]
    change: Callable[[Body], Body]

    def helps(self, body: Mapping[str, Any], words: str) -> bool:
        return self.key in body and bool(self.words.search(words))


def _without(key: str) -> Callable[[Body], Body]:
    return lambda body: {name: value for name, value in body.items() if name != key}


def _renamed(key: str, to: str) -> Callable[[Body], Body]:
    return lambda body: {to if name == key else name: value for name, value in body.items()}


def _without_encrypted_reasoning(body: Body) -> Body:
    return {**body, "include": [each for each in body.get("include") or () if each != REASONING]}


_AMENDMENTS = (
    _Amendment(
        key="include",
        words=re.compile(r"encrypted", re.IGNORECASE),  # a model that does not reason
        change=_without_encrypted_reasoning,
    ),
    _Amendment(
        key="stream_options",
        words=re.compile(r"stream_options|include_usage"),  # then its usage is unknown, unless it sends it anyway
        change=_without("stream_options"),
    ),
    _Amendment(
        key="max_tokens",
        words=re.compile(r"max_tokens.*use\W+max_completion_tokens", re.IGNORECASE | re.DOTALL),
        change=_renamed("max_tokens", "max_completion_tokens"),
    ),
    _Amendment(
        key="max_completion_tokens",
        words=re.compile(rf"({_UNKNOWN}).*max_completion_tokens|max_completion_tokens.*({_UNKNOWN})", re.I | re.DOTALL),
        change=_renamed("max_completion_tokens", "max_tokens"),
    ),
)

_learned: Learned[tuple[_Amendment, ...]] = Learned()


def amended(entry: ConfigEntry, body: Mapping[str, Any]) -> Body:
    """The request as the entry's service takes it, as far as it has said so."""
    result = dict(body)
    for each in _learned.of(entry.base_url, entry.model) or ():
        result = each.change(result)
    return result


def learn(entry: ConfigEntry, body: Mapping[str, Any], words: str) -> None:
    """Note what a service has refused in this body, with these words, if it is known how to do without."""
    known = _learned.of(entry.base_url, entry.model) or ()
    for each in _AMENDMENTS:
        if each not in known and each.helps(body, words):
            _learned.learn(entry.base_url, entry.model, (*known, each))
            return


def forget_learned() -> None:
    _learned.forget()

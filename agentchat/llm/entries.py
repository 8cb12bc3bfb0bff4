"""The entries of an llm_config, checked and completed from the environment: all it takes to ask one model.

Which config list there is, is `config`'s affair; asking is `client`'s. The key stays out of every text made here.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agentchat.errors import ConfigError

OPENAI = "https://api.openai.com/v1"
API_TYPES = ("openai", "azure", "demo")
CUSTOM = "custom"  # the api_type of an entry with a model client of one's own

# Keys of an entry, or of classic code, that are no parameters of the API.
_NOT_SENT = frozenset(
    {
        *("config_list", "model", "api_key", "base_url", "api_type", "api_version", "azure_endpoint", "organization"),
        *("project", "default_headers", "timeout", "max_retries", "tools", "stream"),
        *("cache", "cache_seed", "cache_path_root", "filter_func", "context", "allow_format_str_template"),
        *("price", "tags", "model_client_cls", "api_rate_limit"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Timeout:
    """Seconds to connect, and seconds of silence while reading; None waits for ever."""

    connect: float | None = 5.0
    read: float | None = 30.0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model at one service. `parameters` go to the API as they are; `max_retries` is of this entry alone.

    `price` is in US dollars for 1,000 prompt tokens and 1,000 completion tokens. `cache_seed`: answers are kept on disk
    under this name. `filter_func(context=…, response=…)` says whether an answer will do. `client_class` is the name of
    the model client that is asked instead of a service.
    """

    model: str
    api_type: str
    api_key: str = field(repr=False)
    base_url: str = field(repr=False)  # may hold a password
    organization: str | None = None
    project: str | None = None
    api_version: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout: Timeout = Timeout()
    max_retries: int = 2
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    price: tuple[float, float] | None = None
    cache_seed: str | None = None
    filter_func: Callable[..., bool] | None = field(default=None, repr=False)
    client_class: str | None = None

    @property
    def host(self) -> str:
        if self.api_type == "demo":
            return "this process"
        if self.client_class:
            return self.client_class
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def __str__(self) -> str:
        return f"model {self.model!r} at {self.host}"

    def without_key(self, text: str) -> str:
        """The text, with the key masked: some services repeat it in their errors."""
        return text.replace(self.api_key, masked(self.api_key)) if len(self.api_key) >= 4 else text


def masked(key: str) -> str:
    """Enough of a key to tell which one it is, and not more."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 16 else "…"


def entries_of(llm_config: Mapping[str, Any]) -> list[Entry]:
    """The models to ask, the first one first. Raise ConfigError if one of them could never be asked."""
    config_list = llm_config.get("config_list")
    if config_list is None:
        config_list = [{}]  # the shorthand: the config is its own only entry
    if isinstance(config_list, Mapping | str) or not isinstance(config_list, Sequence) or not config_list:
        raise ConfigError("'config_list' must be a list with at least one entry, such as {'model': …, 'api_key': …}")
    for entry in config_list:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"an entry of 'config_list' must be a dict, not {type(entry).__name__}")
    return [_entry({**llm_config, **entry}) for entry in config_list]


def _entry(given: Mapping[str, Any]) -> Entry:
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise ConfigError(f"an entry of the llm_config needs a 'model'; its keys are {sorted(given)}")
    client_class = given.get("model_client_cls")
    api_type = CUSTOM if client_class else given.get("api_type") or "openai"
    if api_type not in (*API_TYPES, CUSTOM):
        raise ConfigError(
            f"model {model!r}: there is no api_type {api_type!r}, only {', '.join(API_TYPES)};"
            " give the 'base_url' of the service's OpenAI-compatible API"
        )
    for key in ("http_client", "azure_ad_token", "azure_ad_token_provider"):
        if given.get(key) is not None:
            raise ConfigError(f"model {model!r}: {key!r} is not supported; give a 'base_url' and an 'api_key'")
    seed = given.get("cache_seed")
    return Entry(
        model=model,
        api_type=api_type,
        api_key=_api_key(given, model, api_type),
        base_url=_base_url(given, model, api_type),
        organization=given.get("organization"),
        project=given.get("project"),
        api_version=_api_version(given, model) if api_type == "azure" else None,
        headers=tuple(sorted((given.get("default_headers") or {}).items())),
        timeout=_timeout(given["timeout"], model) if "timeout" in given else Timeout(),
        max_retries=_max_retries(given, model),
        parameters={key: value for key, value in given.items() if key not in _NOT_SENT},
        price=_price(given["price"], model) if given.get("price") is not None else None,
        cache_seed=None if seed is None else str(seed),
        filter_func=given.get("filter_func"),
        client_class=client_class,
    )


def _base_url(given: Mapping[str, Any], model: str, api_type: str) -> str:
    if api_type in ("demo", CUSTOM):
        return f"http://{api_type}.invalid/v1"
    url = given.get("base_url") or given.get("azure_endpoint")
    if not url and api_type == "azure":
        raise ConfigError(f"model {model!r} has api_type 'azure' and no 'base_url'")
    url = str(url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"model {model!r}: its 'base_url' (or OPENAI_BASE_URL) must look like {OPENAI}")
    return url


def _api_key(given: Mapping[str, Any], model: str, api_type: str) -> str:
    if api_type in ("demo", CUSTOM):
        return api_type
    if key := given.get("api_key") or os.environ.get("OPENAI_API_KEY"):
        return str(key)
    if given.get("base_url") or os.environ.get("OPENAI_BASE_URL"):
        return "none"  # servers at home want no key, but the SDK does
    raise ConfigError(f"no API key for model {model!r}: set OPENAI_API_KEY, or give the entry an 'api_key'")


def _api_version(given: Mapping[str, Any], model: str) -> str:
    if version := given.get("api_version") or os.environ.get("OPENAI_API_VERSION"):
        return str(version)
    raise ConfigError(f"model {model!r} has api_type 'azure' and no 'api_version'")


def _timeout(given: Any, model: str) -> Timeout:
    parts = given if isinstance(given, Mapping) else {"read": given}
    if set(parts) <= {"connect", "read"} and all(_is_seconds(part) for part in parts.values()):
        return Timeout(**parts)
    raise ConfigError(
        f"model {model!r}: 'timeout' is {given!r}; give seconds of silence, or {{'connect': seconds, 'read': seconds}}"
    )


def _is_seconds(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)


def _max_retries(given: Mapping[str, Any], model: str) -> int:
    value = given.get("max_retries", Entry.max_retries)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"model {model!r}: 'max_retries' is {value!r}; give a whole number, 0 or more")
    return value


def _price(given: Any, model: str) -> tuple[float, float]:
    prices = [given, given] if isinstance(given, int | float) else given
    if isinstance(prices, list | tuple) and len(prices) == 2:
        prompt, completion = prices
        if isinstance(prompt, int | float) and isinstance(completion, int | float):
            return float(prompt), float(completion)
    raise ConfigError(
        f"model {model!r}: 'price' is {given!r}; give US dollars for [1,000 prompt tokens, 1,000 completion tokens]"
    )

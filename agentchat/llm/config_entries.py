"""The entries of an llm_config, checked and completed from the environment: all it takes to ask one model.

`config` chooses the config list; `client` asks. Keys, headers and passwords stay out of every text made here. An entry
notes them (`core.secrets`), so that they are masked in what services and libraries say of them.
"""

import copy
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from agentchat.core.secrets import note_secret, note_url
from agentchat.errors import ConfigError
from agentchat.llm.profiles import PROFILES
from agentchat.llm.responses_api.hosted_tools import hosted_tools
from agentchat.llm.timeouts import Timeout, timeout_of

OPENAI = "https://api.openai.com/v1"
API_TYPES = ("openai", "azure", "demo")
CHAT, RESPONSES = "chat", "responses"  # the API of an entry
CUSTOM = "custom"  # the api_type of an entry with a custom model client

_KEY = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")

_PUBLIC_HEADERS = {"accept", "content-type", "http-referer", "referer", "user-agent", "x-title"}

_SPELLINGS = {"open_ai": "openai"}  # of an api_type, in classic config lists
_NOT_SUPPORTED = ("azure_ad_token", "azure_ad_token_provider")

# Keys of an entry, or of classic code, that are not parameters of the API.
NOT_SENT = frozenset(
    {
        *("config_list", "model", "api_key", "base_url", "api_type", "api_version", "azure_endpoint", "organization"),
        *("azure_deployment", "project", "default_headers", "extra_headers", "default_query", "extra_query"),
        *("extra_body", "http_client", "timeout", "max_retries", "tools", "stream"),
        *("cache", "cache_seed", "cache_path_root", "filter_func", "context", "allow_format_str_template"),
        *("price", "profile", "tags", "model_client_cls", "api_rate_limit", "api", "hosted_tools"),
    }
)

# The API's own parameters.
_PARAMETERS = frozenset(
    {
        *(
            "audio",
            "frequency_penalty",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "max_completion_tokens",
        ),
        *("max_tokens", "messages", "metadata", "modalities", "moderation", "n", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort"),
        *("response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream_options"),
        *("temperature", "tool_choice", "top_logprobs", "top_p", "user", "verbosity", "web_search_options"),
    }
)

# … and those that only its Responses API has.
_OF_RESPONSES = frozenset(
    {
        *(
            "include",
            "instructions",
            "max_output_tokens",
            "max_tool_calls",
            "prompt",
            "reasoning",
            "text",
            "truncation",
        ),
    }
)

_FORMER = {  # names of older versions of the SDK and of AutoGen
    **{"api_base": "base_url", "engine": "model", "deployment_id": "azure_deployment", "request_timeout": "timeout"},
    **{"use_cache": "cache_seed", "retry_wait_time": "max_retries", "max_retry_period": "max_retries"},
}


@dataclass(frozen=True, kw_only=True)
class ConfigEntry:
    """One model at one service. `parameters` go to the API as they are; `max_retries` is for this entry alone.

    `deployment` is Azure's. `http_client` sends the requests, instead of the one that all entries share. `price` is in
    US dollars for 1,000 prompt tokens and 1,000 completion tokens. `cache_seed`: answers are cached on
    disk under this name. `filter_func(context=…, response=…)` says whether an answer is acceptable. `client_class` is
    the name of the model client that is asked instead of a service. `profile` is the name of the service whose form of
    messages to use; None chooses it by address and model. `api` is "responses" for OpenAI's Responses API, with the
    tools that the service runs by itself (`hosted_tools`).
    """

    model: str
    api_type: str
    api_key: str = field(repr=False)
    base_url: str = field(repr=False)  # may hold a password
    organization: str | None = None
    project: str | None = None
    api_version: str | None = None
    deployment: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    http_client: Any = field(default=None, repr=False)
    timeout: Timeout = field(default_factory=Timeout)
    max_retries: int = 2
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    price: tuple[float, float] | None = None
    cache_seed: str | None = None
    filter_func: Callable[..., bool] | None = field(default=None, repr=False)
    client_class: str | None = None
    profile: str | None = None
    api: str = CHAT
    hosted_tools: tuple[Mapping[str, Any], ...] = ()

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

    def __post_init__(self) -> None:
        note_secret(self.api_key)
        note_url(self.base_url)
        for name, value in (*self.headers, *self.query):
            if name.lower() not in _PUBLIC_HEADERS:
                note_secret(value)


def copy_of(llm_config: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy that shares the HTTP clients: they hold connections, and cannot be copied."""
    entries = [llm_config, *(entry for entry in llm_config.get("config_list") or () if isinstance(entry, Mapping))]
    clients = [entry["http_client"] for entry in entries if entry.get("http_client") is not None]
    return copy.deepcopy(dict(llm_config), {id(client): client for client in clients})


def entries_of(llm_config: Mapping[str, Any]) -> list[ConfigEntry]:
    """The models to ask, the first one first. Raise ConfigError if one of them could never be asked."""
    return [_entry(given) for given in _given_entries(llm_config)]


def check_models(llm_config: Mapping[str, Any]) -> None:
    """Raise ConfigError if it names no model. Keys may come later: agents are also made where none is set."""
    for given in _given_entries(llm_config):
        _model(given)


def _given_entries(llm_config: Mapping[str, Any]) -> list[dict[str, Any]]:
    config_list = llm_config.get("config_list")
    if config_list is None:
        config_list = [{}]  # the shorthand: the config is its own only entry
    if isinstance(config_list, Mapping | str) or not isinstance(config_list, Sequence) or not config_list:
        raise ConfigError("'config_list' must be a list with at least one entry, such as {'model': …, 'api_key': …}")
    for entry in config_list:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"an entry of 'config_list' must be a dict, not {type(entry).__name__}")
    return [{**llm_config, **entry} for entry in config_list]


def unknown_keys(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """The keys of an entry that neither we nor the API know, with the key that is probably meant.

    They are sent to the service as they are. A custom model client may have keys of its own.
    """
    if entry.get("model_client_cls"):
        return {}
    known = NOT_SENT | _PARAMETERS | (_OF_RESPONSES if entry.get("api") == RESPONSES else frozenset())
    unknown = [key for key in entry if key not in known and key not in _NOT_SUPPORTED]
    return {key: _FORMER.get(key) or next(iter(get_close_matches(key, known, n=1)), None) for key in unknown}


def _entry(given: Mapping[str, Any]) -> ConfigEntry:
    model = _model(given)
    client_class = given.get("model_client_cls")
    api_type = CUSTOM if client_class else _api_type(given)
    if api_type not in (*API_TYPES, CUSTOM):
        raise ConfigError(
            f"model {model!r}: unknown api_type {api_type!r}: use {', '.join(API_TYPES)}, or"
            " set the 'base_url' of the service's OpenAI-compatible API"
        )
    for key in _NOT_SUPPORTED:
        if given.get(key) is not None:
            raise ConfigError(f"model {model!r}: {key!r} is not supported; use a 'base_url' and an 'api_key'")
    seed = given.get("cache_seed")
    return ConfigEntry(
        model=model,
        api_type=api_type,
        api_key=_api_key(given, model, api_type),
        base_url=_base_url(given, model, api_type),
        organization=_header("organization", given.get("organization"), model),
        project=_header("project", given.get("project"), model),
        api_version=_api_version(given, model) if api_type == "azure" else None,
        deployment=given.get("azure_deployment"),
        headers=_headers(given, model),
        query=_merged(given, model, "default_query", "extra_query"),
        http_client=_http_client(given, model),
        timeout=timeout_of(given, model),
        max_retries=_max_retries(given, model),
        parameters=_parameters(given, model),
        price=_price(given["price"], model) if given.get("price") is not None else None,
        cache_seed=None if seed is None else str(seed),
        filter_func=given.get("filter_func"),
        client_class=client_class,
        profile=_profile(given.get("profile"), model),
        api=_api(given, model),
        hosted_tools=hosted_tools(given.get("hosted_tools") or (), model),
    )


def _api(given: Mapping[str, Any], model: str) -> str:
    api = given.get("api") or CHAT
    if api not in (CHAT, RESPONSES):
        raise ConfigError(f"model {model!r}: there is no api {api!r}: use {CHAT!r} or {RESPONSES!r}")
    if api == CHAT and given.get("hosted_tools"):
        raise ConfigError(f"model {model!r}: 'hosted_tools' are tools of the Responses API: add 'api': {RESPONSES!r}")
    return str(api)


def _model(given: Mapping[str, Any]) -> str:
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise ConfigError(f"an entry of the llm_config needs a 'model'; its keys are {sorted(given)}")
    return model


def _api_type(given: Mapping[str, Any]) -> str:
    api_type = str(given.get("api_type") or "openai").lower()
    api_type = _SPELLINGS.get(api_type, api_type)
    # Azure's newer addresses are OpenAI's API, without deployments and versions.
    path = urlsplit(str(given.get("base_url") or "")).path.rstrip("/")
    return "openai" if api_type == "azure" and path.endswith("/openai/v1") else api_type


def _is_azure(given: Mapping[str, Any]) -> bool:
    return str(given.get("api_type") or "").lower() == "azure"


def _base_url(given: Mapping[str, Any], model: str, api_type: str) -> str:
    if api_type in ("demo", CUSTOM):
        return f"http://{api_type}.invalid/v1"
    url = given.get("base_url") or given.get("azure_endpoint")
    if not url and api_type == "azure":
        url = os.environ.get("AZURE_OPENAI_ENDPOINT")
        if not url:
            raise ConfigError(
                f"model {model!r} has api_type 'azure', but no 'base_url': set AZURE_OPENAI_ENDPOINT, or give the entry"
                " an 'azure_endpoint'"
            )
    url = str(url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
    try:
        parts = urlsplit(url if _KEY.fullmatch(url) else "")  # which would remove line breaks silently
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"model {model!r}: its 'base_url' (or OPENAI_BASE_URL) must look like {OPENAI}")
    return url


def _api_key(given: Mapping[str, Any], model: str, api_type: str) -> str:
    if api_type in ("demo", CUSTOM):
        return api_type
    of_azure = os.environ.get("AZURE_OPENAI_API_KEY") if _is_azure(given) else None
    if key := given.get("api_key") or of_azure or os.environ.get("OPENAI_API_KEY"):
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            where = "'api_key'" if given.get("api_key") else "AZURE_OPENAI_API_KEY" if of_azure else "OPENAI_API_KEY"
            raise ConfigError(
                f"model {model!r}: {where} is no key: use a text without spaces, line breaks and letters beyond ASCII "
                "(the last line of a file ends with a line break)"
            )
        return key
    if given.get("base_url") or os.environ.get("OPENAI_BASE_URL"):
        return "none"  # local servers need no key, but the SDK does
    name = "AZURE_OPENAI_API_KEY" if _is_azure(given) else "OPENAI_API_KEY"
    raise ConfigError(f"no API key for model {model!r}: set {name}, or give the entry an 'api_key'")


def _api_version(given: Mapping[str, Any], model: str) -> str:
    if version := given.get("api_version") or os.environ.get("OPENAI_API_VERSION"):
        return str(version)
    raise ConfigError(f"model {model!r} has api_type 'azure', but no 'api_version'")


def _merged(given: Mapping[str, Any], model: str, *keys: str) -> tuple[tuple[str, str], ...]:
    """The headers, or the parameters of the address, in these keys: a later one wins."""
    merged: dict[str, str] = {}
    for key in keys:
        value = given.get(key) or {}
        if not isinstance(value, Mapping):
            raise ConfigError(f"model {model!r}: {key!r} is a {type(value).__name__}; use a dict")
        merged |= {str(name): str(each) for name, each in value.items()}
    return tuple(sorted(merged.items()))


def _headers(given: Mapping[str, Any], model: str) -> tuple[tuple[str, str], ...]:
    headers = _merged(given, model, "default_headers", "extra_headers")
    for name, value in headers:
        _header(name, value, model)
    return headers


def _header(name: str, value: Any, model: str) -> str | None:
    """The value, as it can be sent. Raise ConfigError, without it, if no header may have it."""
    if value is not None and not (_HEADER_NAME.fullmatch(name) and _HEADER.fullmatch(str(value))):
        where = repr(name) if _HEADER_NAME.fullmatch(name) else "one"
        raise ConfigError(
            f"model {model!r}: of its headers, {where} cannot be sent: use ASCII, without line breaks, and without "
            "spaces at the ends"
        )
    return None if value is None else str(value)


def _http_client(given: Mapping[str, Any], model: str) -> Any:
    client = given.get("http_client")
    if client is not None and not (hasattr(client, "send") and hasattr(client, "build_request")):
        raise ConfigError(
            f"model {model!r}: 'http_client' is a {type(client).__name__}; use an httpx2.AsyncClient or httpx2.Client"
        )
    return client


def _parameters(given: Mapping[str, Any], model: str) -> dict[str, Any]:
    extra = given.get("extra_body") or {}
    if not isinstance(extra, Mapping):
        raise ConfigError(f"model {model!r}: 'extra_body' is a {type(extra).__name__}; use a dict")
    format_ = given.get("response_format")
    if isinstance(format_, type) and not issubclass(format_, BaseModel):
        raise ConfigError(f"model {model!r}: 'response_format' is {format_.__name__}; use a pydantic model, or a dict")
    return {**{key: value for key, value in given.items() if key not in NOT_SENT}, **extra}


def _max_retries(given: Mapping[str, Any], model: str) -> int:
    value = given.get("max_retries", ConfigEntry.max_retries)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"model {model!r}: 'max_retries' is {value!r}; use a whole number, 0 or more")
    return value


def _profile(given: Any, model: str) -> str | None:
    if given is None:
        return None
    if isinstance(given, str) and given in PROFILES:
        return given
    raise ConfigError(f"model {model!r}: there is no profile {given!r}; use one of {', '.join(PROFILES)}")


def _price(given: Any, model: str) -> tuple[float, float]:
    prices = [given, given] if isinstance(given, int | float) else given
    if isinstance(prices, list | tuple) and len(prices) == 2:
        prompt, completion = prices
        if isinstance(prompt, int | float) and isinstance(completion, int | float):
            return float(prompt), float(completion)
    raise ConfigError(
        f"model {model!r}: 'price' is {given!r}; use US dollars for [1,000 prompt tokens, 1,000 completion tokens]"
    )

"""Which models there are: config lists in classic form, and what `llm_config()` chooses.

The order is fixed, and the choice is logged once: the source that was set (Django's `AGENTCHAT["LLM"]`),
OAI_CONFIG_LIST, OPENAI_BASE_URL / OPENAI_API_KEY, the demo model. Only `llm_config()` falls back to the demo;
`config_list_from_json` raises. Asking the models is in `client`.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from agentchat.core.log import get_logger
from agentchat.core.secrets import masked
from agentchat.errors import AgentChatError, ConfigError
from agentchat.llm.config_entries import entries_of

logger = get_logger("agentchat.llm")

ConfigList = list[dict[str, Any]]
Source = Callable[[], ConfigList | None]

DEFAULT_MODEL = "gpt-5.4-mini"
DEMO: ConfigList = [{"model": "demo", "api_type": "demo"}]
_CONFIG_LIST = "OAI_CONFIG_LIST"
_NOWHERE = "nowhere"

_source: Source | None = None
_logged: set[str] = set()


def set_source(source: Source | None) -> None:
    """Ask `source` first, before the environment, for the config list of `llm_config()`. It may return None."""
    global _source
    _source = source


def llm_config(**overrides: Any) -> dict[str, Any]:
    """The models to ask, as agents take them: `{"config_list": […], **overrides}`.

    `model=…` replaces the model of every entry but the demo's. Raise ConfigError, or FileNotFoundError, if what is set
    cannot be used: the demo model is used only where nothing is set.
    """
    where, load = _choose()
    entries = [dict(entry) for entry in load()]
    if model := overrides.pop("model", None):
        entries = [entry if entry.get("api_type") == "demo" else {**entry, "model": model} for entry in entries]
    config = {"config_list": entries, **overrides}
    _log_once(where, config)
    return config


def configured() -> ConfigList:
    """The entries that `llm_config()` has, as they are written. Raises what it raises."""
    return [dict(entry) for entry in _choose()[1]()]


def uses_demo() -> bool:
    """Whether `llm_config()` falls back to the demo model at the moment; false if it raises."""
    try:
        return _choose()[0] == _NOWHERE
    except AgentChatError:
        return False


def config_list_from_json(
    env_or_file: str,
    file_location: str | None = "",
    filter_dict: Mapping[str, Any] | None = None,
) -> ConfigList:
    """Read a config list from an environment variable (JSON, or a file's path), else from a file of that name.

    Raise FileNotFoundError if there is neither, ConfigError if what is there is no config list.
    """
    written = os.environ.get(env_or_file)
    if written:
        path = _path_in(written)
        text, where = (written, env_or_file) if path is None else (path.read_text("utf-8"), str(path))
    else:
        path = Path(file_location or "") / env_or_file
        if not path.is_file():
            raise FileNotFoundError(
                f"no config list: {env_or_file!r} is not set in the environment, and there is no file {path}"
            )
        text, where = path.read_text("utf-8"), str(path)
    return filter_config(_parsed(text, where), filter_dict)


def filter_config(
    config_list: Iterable[dict[str, Any]], filter_dict: Mapping[str, Any] | None, exclude: bool = False
) -> ConfigList:
    """The entries that have, for every key of `filter_dict`, one of the values that it lists; with `exclude`, for none.

    A value that is a list itself (tags) fits if it has one of them. An entry without the key does not fit.
    """

    def fits(value: Any, wanted: Any) -> bool:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        if isinstance(value, list):
            return any(item in wanted for item in value)
        return value is not None and value in wanted

    asked = (filter_dict or {}).items()
    return [entry for entry in config_list if all(fits(entry.get(key), wanted) != exclude for key, wanted in asked)]


def _path_in(written: str) -> Path | None:
    """The file that the text names, unless it is JSON."""
    if written.lstrip().startswith(("[", "{")):
        return None
    path = Path(written.strip())
    try:
        return path if path.is_file() else None
    except OSError:  # too long for a path; its message would quote the whole, with its keys
        return None


def _parsed(text: str, where: str) -> ConfigList:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        # The text may hold a key: say where, not what.
        raise ConfigError(f"{where} is neither JSON nor the path of a file that exists: {error}") from None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ConfigError(f'{where} must be a JSON list of objects, such as [{{"model": …, "api_key": …}}]')
    return value


# --- the choice -------------------------------------------------------------------------------------------------------


def _choose() -> tuple[str, Callable[[], ConfigList]]:
    """Where the config list comes from, and how to get it."""
    given = _source() if _source is not None else None
    if given is not None:
        return 'AGENTCHAT["LLM"]', lambda: given
    if os.environ.get(_CONFIG_LIST) or Path(_CONFIG_LIST).is_file():
        return _CONFIG_LIST, lambda: config_list_from_json(_CONFIG_LIST)
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return "the environment", _from_environment
    return _NOWHERE, lambda: DEMO


def _from_environment() -> ConfigList:
    entry = {
        "model": os.environ.get("OPENAI_MODEL") or DEFAULT_MODEL,
        "api_key": os.environ.get("OPENAI_API_KEY"),
        "base_url": os.environ.get("OPENAI_BASE_URL"),
    }
    return [{key: value for key, value in entry.items() if value}]


def _log_once(where: str, config: Mapping[str, Any]) -> None:
    entries = entries_of(config)
    if where == _NOWHERE:
        level, message = logging.WARNING, "No model is set: this is the demo, scripted. Set OPENAI_API_KEY."
    else:
        models = ", ".join(f"{entry} (key {masked(entry.api_key)})" for entry in entries)
        level, message = logging.INFO, f"Models from {where}: {models}"
    if message not in _logged:
        _logged.add(message)
        logger.log(level, "%s", message)

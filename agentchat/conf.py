"""Every setting of the `AGENTCHAT` dict: its meaning, unit and default. Nothing else reads that dict.

`conf.app.max_runs` is the setting `AGENTCHAT["MAX_RUNS"]`. Values are read when asked for, so tests may override
settings; mistakes are found at start, by the system checks, through `problems()`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from agentchat.errors import ConfigError

ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class AppSettings:
    """The settings as properties. Each raises ConfigError if its value cannot be meant."""

    KEYS = (
        "ENGINE",
        "LLM",
        "MAX_RUNS",
        "MAX_RUNS_PER_OWNER",
        "LEASE_S",
        "GUESTS",
        "MAX_STEPS",
        "MAX_RUN_TOKENS",
        "MAX_RUN_COST",
        "MAX_RUN_S",
        "MESSAGES_PER_MINUTE",
        "MAX_MESSAGE_CHARS",
        "TOOL_TIMEOUT_S",
        "DRAIN_S",
        "WAIT_S",
        "EMBED_ORIGINS",
        "SHOW_USAGE",
    )

    @property
    def _values(self) -> Mapping[str, Any]:
        values = getattr(settings, "AGENTCHAT", {})
        if not isinstance(values, Mapping):
            raise ConfigError(f"the setting AGENTCHAT must be a dict, not {type(values).__name__}")
        return values

    def _number(self, key: str, default: float, *, least: float, whole: bool = True) -> Any:
        value = self._values.get(key, default)
        kind = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or value < least:
            wanted = "a whole number" if whole else "a number"
            raise ConfigError(f"AGENTCHAT[{key!r}] is {value!r}: give {wanted}, at least {least}")
        return value

    @property
    def engine(self) -> str:
        """How "advance this run" reaches a process: "threads", in the server's own; "celery", in workers."""
        value = self._values.get("ENGINE", "threads")
        if value not in ("threads", "celery"):
            raise ConfigError(f"AGENTCHAT['ENGINE'] is {value!r}: the engines are 'threads' and 'celery'")
        return str(value)

    @property
    def llm(self) -> list[dict[str, Any]] | None:
        """A config list: models to ask, the first one first. None: the environment says."""
        value = self._values.get("LLM")
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(e, Mapping) and "model" in e for e in value):
            raise ConfigError("AGENTCHAT['LLM'] must be a list of dicts, each with a 'model'")
        return [dict(entry) for entry in value]

    @property
    def max_runs(self) -> int:
        """Runs advancing at once in one process; the others wait in order. Waiting for a person does not count."""
        return int(self._number("MAX_RUNS", 64, least=1))

    @property
    def max_runs_per_owner(self) -> int:
        """Runs of one owner advancing at once, over all processes."""
        return int(self._number("MAX_RUNS_PER_OWNER", 4, least=1))

    @property
    def lease_s(self) -> float:
        """Seconds after which a run whose process has gone silent is taken over by another."""
        return float(self._number("LEASE_S", 15, least=1, whole=False))

    @property
    def drain_s(self) -> float:
        """Seconds that runs have to unwind when the server is told to stop."""
        return float(self._number("DRAIN_S", 12, least=0, whole=False))

    @property
    def wait_s(self) -> float:
        """Seconds that an agent function with `durable=False` waits for an answer, and holds its thread."""
        return float(self._number("WAIT_S", 900, least=1, whole=False))

    @property
    def guests(self) -> bool:
        """Whether people without an account may chat. The default is DEBUG."""
        return bool(self._values.get("GUESTS", settings.DEBUG))

    def _cap(self, key: str, default: float | None, *, whole: bool = True) -> Any:
        if self._values.get(key, default) is None:
            return None
        return self._number(key, default or 0, least=1 if whole else 0.0001, whole=whole)

    @property
    def max_steps(self) -> int | None:
        """Steps (model calls, tool calls, own steps) of one run, until the person is asked; None: no cap."""
        return self._cap("MAX_STEPS", 200)

    @property
    def max_run_tokens(self) -> int | None:
        """Tokens of one run, prompts and completions, until the person is asked; None: no cap."""
        return self._cap("MAX_RUN_TOKENS", 500_000)

    @property
    def max_run_cost(self) -> float | None:
        """US dollars that one run may cost, where prices are known, until the person is asked; None: no cap."""
        return self._cap("MAX_RUN_COST", None, whole=False)

    @property
    def max_run_s(self) -> float | None:
        """Seconds that one run may run, waiting for people aside, until the person is asked; None: no cap."""
        return self._cap("MAX_RUN_S", None, whole=False)

    @property
    def messages_per_minute(self) -> int:
        """Messages that one owner may send in any 60 seconds."""
        return int(self._number("MESSAGES_PER_MINUTE", 30, least=1))

    @property
    def max_message_chars(self) -> int:
        """Characters in one message."""
        return int(self._number("MAX_MESSAGE_CHARS", 32_000, least=1))

    @property
    def tool_timeout_s(self) -> float:
        """Seconds that one tool call may take, where the tool does not say otherwise."""
        return float(self._number("TOOL_TIMEOUT_S", 60, least=0.001, whole=False))

    @property
    def embed_origins(self) -> tuple[str, ...]:
        """Origins, such as "https://shop.example", whose pages may show chats in an iframe, besides the site's own."""
        value = self._values.get("EMBED_ORIGINS", ())
        is_list = isinstance(value, list | tuple | set | frozenset)
        if not is_list or not all(isinstance(each, str) and ORIGIN.fullmatch(each) for each in value):
            raise ConfigError(
                f"AGENTCHAT['EMBED_ORIGINS'] is {value!r}: give a list of origins, each a scheme and a host, and a "
                f"port where it is not the usual one, such as 'https://shop.example'"
            )
        return tuple(value)

    @property
    def show_usage(self) -> str:
        """Who sees on the page what the models used, and what it cost: "staff", "all" or "none"."""
        value = self._values.get("SHOW_USAGE", "staff")
        if value not in ("staff", "all", "none"):
            raise ConfigError(f"AGENTCHAT['SHOW_USAGE'] is {value!r}: give 'staff', 'all' or 'none'")
        return str(value)

    def problems(self) -> Iterator[str]:
        """Each mistake in the settings, as a sentence."""
        try:
            unknown = sorted(set(self._values) - set(self.KEYS))
        except ConfigError as error:
            yield str(error)
            return
        for key in unknown:
            yield f"AGENTCHAT[{key!r}] is not a setting; there are {', '.join(self.KEYS)}"
        for key in self.KEYS:
            try:
                getattr(self, key.lower())
            except ConfigError as error:
                yield str(error)


app = AppSettings()

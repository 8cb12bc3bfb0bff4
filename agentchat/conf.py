"""Every setting of the `AGENTCHAT` dict: its kind, default, unit and meaning. No other code reads that dict.

`conf.app.max_runs` is the setting `AGENTCHAT["MAX_RUNS"]`. Values are read on each access, so tests may override
settings. A value of the wrong kind is never guessed at ("no" is no False): it raises ConfigError, and the system checks
report all of them at start, through `problems()`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Generic, TypeVar, overload

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise  # what reverse_lazy() returns

from agentchat.core.budget_rules import BudgetRule, budget_rules
from agentchat.core.secrets import note_secret, note_url
from agentchat.core.setting_values import boolean, natural_number, number, one_of, or_none, subset, whole_number
from agentchat.errors import ConfigError
from agentchat.llm.timeouts import seconds_from_environment
from agentchat.mcp.servers import McpServer, mcp_servers

T = TypeVar("T")

ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class Setting(Generic[T]):
    """One key, which is the attribute's name in capitals.

    `read` returns the value as it is used, or raises ValueError; `wanted` says what to use instead. A default is
    not read; if it depends on other settings, it is a function. A secret one is not repeated in errors.
    """

    def __init__(
        self, read: Callable[[Any], T], default: T | Callable[[], T], *, wanted: str, is_secret: bool = False
    ) -> None:
        self._read, self._default, self._wanted, self._is_secret = read, default, wanted, is_secret

    def __set_name__(self, owner: "type[AppSettings]", name: str) -> None:
        self.key = name.upper()
        owner.KEYS += (self.key,)

    @overload
    def __get__(self, app: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, app: "AppSettings", owner: type) -> T: ...
    def __get__(self, app: "AppSettings | None", owner: type) -> "T | Setting[T]":
        if app is None:
            return self
        values = app.values
        if self.key not in values:
            return self._default() if callable(self._default) else self._default
        try:
            return self._read(values[self.key])
        except ValueError:
            value = "not valid" if self._is_secret else repr(values[self.key])
            raise ConfigError(f"AGENTCHAT[{self.key!r}] is {value}: use {self._wanted}") from None


# --- kinds of values ------------------------------------------------------------------------------------------------


def _flag(default: bool | Callable[[], bool]) -> Setting[bool]:
    return Setting(boolean, default, wanted="True or False")


def _count(default: int) -> Setting[int]:
    return Setting(whole_number, default, wanted="a whole number of at least 1")


def _optional_count(default: int | Callable[[], int | None] | None) -> Setting[int | None]:
    return Setting(or_none(whole_number), default, wanted="a whole number of at least 1, or None for no limit")


def _optional_number(default: int | None) -> Setting[int | None]:
    """None is not the same as 0."""
    return Setting(or_none(natural_number), default, wanted="a whole number, or None if it is not known")


def _seconds(default: float | Callable[[], float], *, minimum: float) -> Setting[float]:
    return Setting(number(minimum), default, wanted=f"a number of seconds, at least {minimum:g}")


def _optional_amount(default: float | None) -> Setting[float | None]:
    return Setting(or_none(number(0.0001)), default, wanted="a number of at least 0.0001, or None for no limit")


def _choice(*choices: str) -> Setting[str]:
    """One of the texts. The first is the default."""
    *others, last = map(repr, choices)
    return Setting(one_of(choices), choices[0], wanted=f"{', '.join(others)} or {last}")


def _some_of(*choices: str) -> Setting[tuple[str, ...]]:
    """A list of some of the texts. The default is none."""
    wanted = f"a list of some of {', '.join(map(repr, choices))}" if len(choices) > 1 else f"[{choices[0]!r}] or []"
    return Setting(subset(choices), (), wanted=wanted)


def _text(value: Any) -> str:
    if not isinstance(value, str | Promise) or not str(value).strip():
        raise ValueError
    return str(value)


def _limits_ask(value: Any) -> str:
    if value not in ("nobody", "owner", "staff") and not re.fullmatch(r"\w+\.\w+", _text(value)):
        raise ValueError
    return str(value)


def _path(value: Any) -> str:
    if not re.fullmatch(r"/([\w.~-]+/)*", _text(value), re.ASCII):
        raise ValueError
    return str(value)


def _origin(value: Any) -> str:
    if not ORIGIN.fullmatch(_text(value)):
        raise ValueError
    return str(value)


def _origins(value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list | tuple | set | frozenset)
    if not is_list or not all(isinstance(each, str) and ORIGIN.fullmatch(each) for each in value):
        raise ValueError
    return tuple(value)


def _price(value: Any) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError
    prompt, completion = map(number(0), value)
    return prompt, completion


def _config_list(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(e, Mapping) and "model" in e for e in value):
        raise ValueError
    return [dict(entry) for entry in value]


# --- the settings ---------------------------------------------------------------------------------------------------


class AppSettings:
    """The settings as attributes. Each raises ConfigError if its value is not valid."""

    KEYS: ClassVar[tuple[str, ...]] = ()

    engine = _choice("threads", "celery")
    """Where runs advance: "threads", in the server's own process; "celery", in workers."""

    llm = Setting[list[dict[str, Any]] | None](
        or_none(_config_list), None, wanted="a list of dicts, each with a 'model', or None", is_secret=True
    )
    """A config list: models to ask, in this order. None: the environment configures them."""

    max_runs = _count(64)
    """Runs advancing at once in one process; others wait, and owners take turns. Waiting for users does not count."""

    max_runs_per_owner = _count(4)
    """Runs of one owner advancing at once, in all processes."""

    lease_s = _seconds(15, minimum=1)
    """Seconds after which a run whose process has gone silent is taken over by another."""

    guests = _flag(lambda: settings.DEBUG)
    """Whether visitors without an account may chat. The default is DEBUG."""

    max_steps = _optional_count(200)
    """Steps (model calls, tool calls, own steps) of one run, until the user is asked; None: no limit."""

    max_run_tokens = _optional_count(500_000)
    """Tokens of one run, prompts and completions, until the user is asked; None: no limit."""

    max_run_cost = _optional_amount(None)
    """US dollars that one run may cost, until the user is asked; None: no limit."""

    fallback_price = Setting[tuple[float, float]](
        _price,
        (0.01, 0.03),
        wanted="US dollars for [1,000 prompt tokens, 1,000 completion tokens], such as [0.01, 0.03]",
    )
    """US dollars for 1,000 prompt and 1,000 completion tokens without a known price; for MAX_RUN_COST alone."""

    max_run_s = _optional_amount(None)
    """Seconds that one run may run, waiting for the user aside, until the user is asked; None: no limit."""

    limits_ask = Setting[str | None](
        or_none(_limits_ask),
        None,
        wanted="'nobody', 'owner', 'staff', a permission such as 'agentchat.raise_limits', or None",
    )
    """Whom a run asks that has reached a limit: "owner", "staff", users with a permission, or "nobody": it ends. None:
    staff, where somebody is."""

    budgets = Setting[tuple[BudgetRule, ...]](
        budget_rules,
        (),
        wanted="a list of budgets such as {'of': 'owner', 'what': 'tokens', 'limit': 200_000, 'per': 'day'}",
    )
    """What may be used in a day or a month, beside the budgets in admin: see docs/operating.md."""

    messages_per_minute = _count(30)
    """Messages that one owner may send in any 60 seconds."""

    max_message_chars = _count(32_000)
    """Characters in one message."""

    llm_timeout_s = _seconds(seconds_from_environment, minimum=0.001)
    """Seconds that a model may be silent before its first word, where its entry has no `timeout`."""

    keep_reasoning = _flag(True)
    """Whether what models think before they answer is stored. If not, it is only shown while it is written."""

    keep_requests = _flag(False)
    """Whether what models are asked is stored, for admin: without secrets, and of bounded size."""

    tool_timeout_s = _seconds(60, minimum=0.001)
    """Seconds that one tool call may take, where the tool does not say otherwise."""

    drain_s = _seconds(12, minimum=0)
    """Seconds that runs have to unwind when the server stops."""

    wait_s = _seconds(900, minimum=1)
    """Seconds that an agent function with `durable=False` waits for an answer, and occupies its thread."""

    embed_origins = Setting[tuple[str, ...]](
        _origins,
        (),
        wanted="a list of origins, each a scheme and a host, and a port if it is not the default one, such as "
        "'https://shop.example'",
    )
    """Origins, such as "https://shop.example", whose pages may embed chats in an iframe, besides the site's own."""

    show_usage = _choice("staff", "all", "none")
    """Who sees on the page what the models used, and what it cost."""

    show_tools = _choice("all", "name", "none")
    """What users who are not staff see of tool calls, unless the tool says so itself (`visible`)."""

    websocket_path = Setting[str | None](
        or_none(_path), None, wanted="a path that begins and ends with a slash, such as '/chats/', or None"
    )
    """Where browsers open the websockets: `ws/chat/…` below this path. None: below the path of the pages."""

    logout_url = Setting[str | None](or_none(_text), None, wanted="a URL, the name of one, or None")
    """Where users sign out, as a URL or the name of one. None: "logout" or "account_logout", if there is one."""

    password_change_url = Setting[str | None](or_none(_text), None, wanted="a URL, the name of one, or None")
    """Where users change their password. None: "password_change" or "account_change_password", if there is one."""

    guest_chats_per_hour = _optional_count(60)
    """Chats that the guests of one address may start in an hour; None: no limit."""

    guest_messages_per_minute = _optional_count(120)
    """Messages that the guests of one address may send in a minute; None: no limit."""

    guest_mb_per_day = _optional_count(20)
    """Millions of bytes that the guests of one address may send in a day; None: no limit."""

    guest_sockets = _optional_count(100)
    """Websockets that the guests of one address may have open in one process, two for each page; None: no limit."""

    guest_addresses = _optional_count(20)
    """All guests together may use what those of so many addresses may; None: no limit for all of them."""

    opentelemetry = _flag(False)
    """Whether traces and metrics are emitted (`agentchat/telemetry/genai.py`), to the site's own providers."""

    titles = _choice("message", "model")
    """What names a chat: its "message", the first one; or a "model" after the first answer, the one of `llm_config()`.
    A user's own title stays in any case."""

    retention_days = _optional_count(None)
    """Days after the last change of a chat until it is deleted permanently; None: it is kept. Agent functions may have
    a `retention` of their own."""

    max_sockets = _count(10_000)
    """Websockets that may be open in one process."""

    notify = Setting[str | None](
        or_none(_text), None, wanted="the path of a function, such as 'agentchat.actions.email.send', or None"
    )
    """The path of a function that is called with a `Notification` for each question to others than a chat's owner."""

    notify_content = _flag(False)
    """Whether the e-mail of `agentchat.actions.email.send` says what is asked, besides the link to it."""

    site_url = Setting[str | None](or_none(_origin), None, wanted="an origin such as 'https://chat.example', or None")
    """The origin of the site, for links in notifications: "https://chat.example"."""

    max_body_bytes = _optional_count(lambda: settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    """Bytes in the body of one request of the whole site; None: no limit. The default is Django's own for forms."""

    max_upload_mb = _count(50)
    """Millions of bytes in one file of a chat."""

    model_file_mb = _count(10)
    """Millions of bytes in one file that is sent to a model; of a larger one it reads the name."""

    model_files_mb = _count(20)
    """Millions of bytes in all files of one request to a model, the newest first."""

    max_message_files = _count(10)
    """Files in one message."""

    max_message_mb = _count(100)
    """Millions of bytes in all files of one message."""

    upload_mb_per_day = _optional_count(500)
    """Millions of bytes in the files that one owner may upload in 24 hours; None: no limit."""

    max_image_pixels = _count(40_000_000)
    """Pixels of an image: decoding one takes some four bytes of memory for each."""

    upload_check = Setting[str | None](
        or_none(_text), None, wanted="the path of a function, such as 'scanner.check', or None"
    )
    """The path of a function that is called with each uploaded file, and says what is wrong with it."""

    apis = _some_of("openai", "agui")
    """The APIs for programs that the site has. Without any there are neither keys nor addresses for them."""

    api_origins = Setting[tuple[str, ...]](
        _origins, (), wanted="a list of origins, such as 'https://shop.example', as in EMBED_ORIGINS"
    )
    """Origins whose pages may call the APIs with a key (CORS), besides the site's own."""

    mcp_servers = Setting[dict[str, McpServer]](
        mcp_servers,
        dict,
        wanted="a dict of names (letters, digits, '_', '-') and servers: {'url': 'https://…', 'headers': {…}} or "
        "{'command': ['program', 'argument'], 'env': {…}, 'cwd': '…'}",
        is_secret=True,
    )
    """MCP servers, by the names that `mcp_tools()` knows them by. Commands run as the user of the server's process."""

    trusted_proxies = _optional_number(None)
    """Proxies of the site's own in front of it, each of which adds the address it sees to X-Forwarded-For. 0: none, the
    peer is the client. None: not known, so a peer in a private network is nobody's address."""

    @property
    def values(self) -> Mapping[str, Any]:
        values = getattr(settings, "AGENTCHAT", {})
        if not isinstance(values, Mapping):
            raise ConfigError(f"AGENTCHAT must be a dict, not {type(values).__name__}")
        return values

    def problems(self) -> Iterator[str]:
        """Each mistake in the settings, as a sentence."""
        try:
            unknown = sorted(set(self.values) - set(self.KEYS), key=str)
        except ConfigError as error:
            yield str(error)
            return
        for key in unknown:
            yield f"AGENTCHAT[{key!r}] is not a setting; the settings are {', '.join(self.KEYS)}"
        for key in self.KEYS:
            try:
                getattr(self, key.lower())
            except ConfigError as error:
                yield str(error)


app = AppSettings()


# --- secrets --------------------------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(r"(?:PASSWORD|PASSWD|SECRET|TOKEN|KEY|SECRET_KEY_FALLBACKS)$", re.IGNORECASE)


def note_secrets() -> None:
    """Note the secrets of all settings, the project's too, by their names or as parts of URLs: no log repeats them."""
    for name in dir(settings):
        if name.isupper():
            with suppress(ImproperlyConfigured):  # Django's, for a SECRET_KEY that is empty
                _note(name, getattr(settings, name))


def _note(name: str, value: Any) -> None:
    match value:
        case str() if "://" in value:
            note_url(value, lasting=True)
        case str() if _SECRET_NAME.search(name):
            note_secret(value, lasting=True, hidden=True)
        case Mapping():
            for key, each in value.items():
                _note(str(key), each)
        case list() | tuple():
            for each in value:
                _note(name, each)

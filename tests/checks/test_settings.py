"""The settings of AGENTCHAT: a value of the wrong kind is an error, and never guessed at."""

import math

import pytest
from django.urls import reverse_lazy

from agentchat import conf
from agentchat.checks.site import check_settings
from agentchat.errors import ConfigError

WRONG = {
    "ENGINE": ["rabbits", None, ["threads"], 1],
    "LLM": [{"model": "m"}, [], "m", ["m"], [{}]],
    "MCP_SERVERS": [
        "shop",
        ["shop"],
        None,
        {"the shop": {"url": "https://shop.example"}},
        {"shop": "https://shop.example"},
        {"shop": {"url": "file:///etc/passwd"}},
        {"shop": {"url": "https://shop.example", "command": ["shop"]}},
        {"shop": {"command": "uvx shop"}},
        {"shop": {"command": []}},
        {"shop": {"command": ["shop"], "env": {"PORT": 1}}},
    ],
    "FALLBACK_PRICE": [0.01, [0.01], [0.01, "0.03"], [0.01, -1], [math.nan, 1]],
    "KEEP_REASONING": ["no", 1, None],
    "KEEP_REQUESTS": ["no", 1, None],
    "LIMITS_ASK": [True, "", "somebody", ["staff"], "a.b.c"],
    "BUDGETS": [
        None,
        {"of": "site"},
        [{"of": "site", "what": "tokens", "limit": 5}],
        [{"of": "moon", "what": "tokens", "limit": 5, "per": "day"}],
        [{"of": "site", "what": "tokens", "limit": math.nan, "per": "day"}],
        [{"of": "site", "what": "tokens", "limit": -1, "per": "day"}],
        [{"of": "site", "what": "tokens", "limit": True, "per": "day"}],
        [{"of": "site", "what": "tokens", "limit": "5", "per": "day"}],
        [{"of": "site", "what": "tokens", "limit": 5, "per": "week"}],
        [{"of": ["site"], "what": "tokens", "limit": 5, "per": "day"}],
        [{"of": "site", "name": "x", "what": "tokens", "limit": 5, "per": "day"}],
        [{"of": "member", "what": "tokens", "limit": 5, "per": "day"}],
        [{"of": "site", "what": "tokens", "limit": 5, "per": "day", "whom": "all"}],
    ],
    "GUESTS": ["no", "False", "", 0, 1, None, []],
    "EMBED_ORIGINS": ["https://shop.example", {"https://shop.example": 1}, [None]],
    "APIS": ["openai", True, ["OpenAI"], [None], [["openai"]], {"openai": 1}],
    "API_ORIGINS": ["https://shop.example", ["*"], ["shop.example"], ["https://shop.example/"], [None]],
    "SHOW_USAGE": [True, None, "Staff", {"staff"}],
    "OPENTELEMETRY": ["yes", 0, 1, None],
    "TITLES": [True, None, "", "Model", ["model"]],
    "SHOW_TOOLS": [True, None, "staff", ["all"]],
    "WEBSOCKET_PATH": ["chats/", "/chats", "https://a.example/", "/a b/", 7, ""],
    "LOGOUT_URL": [True, "", 7],
    "NOTIFY": [True, "", 7],
    "UPLOAD_CHECK": [True, "", 7],
    "NOTIFY_CONTENT": ["no", 0, 1, None],
    "SITE_URL": ["chat.example", "https://chat.example/", "ftp://chat.example", 7, ""],
    "PASSWORD_CHANGE_URL": [False, " ", []],
    "TRUSTED_PROXIES": ["1", 1.5, -1, True, False, [1]],
}
LIMITS = (
    "GUEST_CHATS_PER_HOUR",
    "GUEST_MESSAGES_PER_MINUTE",
    "GUEST_MB_PER_DAY",
    "GUEST_SOCKETS",
    "GUEST_ADDRESSES",
    "RETENTION_DAYS",
    "UPLOAD_MB_PER_DAY",
    "MAX_BODY_BYTES",
)
COUNTS = (
    *LIMITS,
    "MAX_SOCKETS",
    "MAX_RUNS",
    "MAX_RUNS_PER_OWNER",
    "MESSAGES_PER_MINUTE",
    "MAX_MESSAGE_CHARS",
    "MAX_STEPS",
    "MAX_UPLOAD_MB",
    "MODEL_FILE_MB",
    "MODEL_FILES_MB",
    "MAX_MESSAGE_FILES",
    "MAX_MESSAGE_MB",
    "MAX_IMAGE_PIXELS",
    "MAX_RUN_TOKENS",
)
NUMBERS = ("LEASE_S", "LLM_TIMEOUT_S", "DRAIN_S", "WAIT_S", "TOOL_TIMEOUT_S", "MAX_RUN_COST", "MAX_RUN_S")
WRONG |= {key: ["64", 1.5, 0, -1, True, [1]] for key in COUNTS}
WRONG |= {key: ["15", -1, math.nan, math.inf, True, [1]] for key in NUMBERS}
MAY_BE_NONE = {"LLM", "LIMITS_ASK", "MAX_STEPS", "MAX_RUN_TOKENS", "MAX_RUN_COST", "MAX_RUN_S"}
MAY_BE_NONE |= {*LIMITS, "WEBSOCKET_PATH", "LOGOUT_URL", "PASSWORD_CHANGE_URL", "TRUSTED_PROXIES", "NOTIFY", "SITE_URL"}
MAY_BE_NONE |= {"UPLOAD_CHECK"}


def test_every_setting_has_values_that_are_wrong_here():
    assert set(WRONG) == set(conf.AppSettings.KEYS)


@pytest.mark.parametrize("key", sorted(WRONG))
def test_a_value_of_the_wrong_kind_is_an_error_that_says_what_to_use(settings, key):
    for value in WRONG[key]:
        settings.AGENTCHAT = {key: value}
        [error] = check_settings()[:1]
        assert error.id == "agentchat.E001"
        shown = "not valid" if key in ("LLM", "MCP_SERVERS") else repr(value)  # it may have keys
        assert error.msg.startswith(f"AGENTCHAT[{key!r}] is {shown}: use ")
        with pytest.raises(ConfigError):
            getattr(conf.app, key.lower())


@pytest.mark.parametrize("key", sorted(WRONG))
def test_only_what_has_no_limit_or_default_may_be_none(settings, key):
    settings.AGENTCHAT = {key: None}
    assert bool([*conf.app.problems()]) is (key not in MAY_BE_NONE)


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("GUESTS", False, False),
        ("LEASE_S", 2, 2.0),
        ("DRAIN_S", 0, 0.0),
        ("MAX_RUN_COST", 0.5, 0.5),
        ("MAX_STEPS", None, None),
        ("LLM", [{"model": "m"}], [{"model": "m"}]),
        ("EMBED_ORIGINS", {"https://shop.example"}, ("https://shop.example",)),
        ("APIS", ["openai", "agui"], ("openai", "agui")),
        ("WEBSOCKET_PATH", "/", "/"),
        ("LOGOUT_URL", reverse_lazy("logout"), "/accounts/logout/"),
    ],
)
def test_a_value_is_read_as_it_is_meant(settings, key, value, read):
    settings.AGENTCHAT = {key: value}
    assert [*conf.app.problems()] == []
    assert getattr(conf.app, key.lower()) == read


@pytest.mark.parametrize("value", [None, [], "GUESTS=1"])
def test_agentchat_is_a_dict(settings, value):
    settings.AGENTCHAT = value
    assert [message.id for message in check_settings()][:1] == ["agentchat.E001"]


def test_unknown_keys_are_named_whatever_they_are(settings):
    settings.AGENTCHAT = {"MAXRUNS": 1, 7: 1}
    assert [problem.partition(" ")[0] for problem in conf.app.problems()] == ["AGENTCHAT[7]", "AGENTCHAT['MAXRUNS']"]

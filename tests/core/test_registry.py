"""What can be registered as an agent function, and what is refused, in words."""

import functools

import pytest

from agentchat import on_connect
from agentchat.core import registry
from agentchat.core.agent_functions import call_agent_function
from agentchat.errors import ConfigError


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch):
    monkeypatch.setattr(registry, "_agents", {})


def plain(iostream):
    """Says nothing.

    More than a user needs to know.
    """


class Desk:
    def __call__(self, iostream): ...

    def method(self, iostream): ...

    @staticmethod
    def static(iostream): ...


async def awaited(iostream): ...


async def async_generator(iostream):
    yield 1


def generator(iostream):
    yield 1


class AsyncDesk:
    async def __call__(self, iostream): ...


class GeneratorDesk:
    def __call__(self, iostream):
        yield 1


def nothing(): ...


def two(iostream, more): ...


def named(*, iostream): ...


@functools.wraps(awaited)
def in_a_loop(iostream):
    """Async code in a plain function, which waits for it, is fine."""


@pytest.mark.parametrize(
    "function",
    [
        plain,
        Desk(),
        Desk().method,
        Desk.static,
        functools.partial(two, more=1),
        lambda *args, **kwargs: None,
        lambda iostream, more=1: None,
        in_a_loop,
        print,
    ],
)
def test_a_plain_function_of_the_stream_is_registered_and_stays_what_it_is(function):
    assert on_connect("desk")(function) is function
    assert registry.find("desk").function is function
    registry.find("desk").call(None)


def test_a_function_is_presented_by_its_name_and_docstring():
    on_connect("help_desk")(plain)
    agent = registry.find("help_desk")
    assert (agent.title, agent.description) == ("Help desk", "Says nothing.")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (awaited, r"agent function 'desk' \(.*awaited\) is async: .* plain `def`"),
        (async_generator, "is async"),
        (AsyncDesk(), "AsyncDesk.* is async"),
        (functools.partial(awaited), "is async"),
        (generator, "is a generator: .* instead of `yield`"),
        (GeneratorDesk(), "is a generator"),
        (nothing, r"cannot be called with a stream .*: give it one argument, `def f\(iostream\)`"),
        (two, "missing a required argument: 'more'"),
        (named, "cannot be called with a stream"),
        (Desk.method, "cannot be called with a stream"),
        (None, "is None: make it a function"),
        ("agents.desk", "is 'agents.desk': make it a function"),
    ],
)
def test_anything_else_is_refused_when_it_is_registered(function, words):
    with pytest.raises(ConfigError, match=words):
        on_connect("desk")(function)
    assert registry.names() == []


@pytest.mark.parametrize(
    ("hidden", "words"),
    [(awaited, "is async"), (async_generator, "is async"), (generator, "is a generator")],
)
def test_what_a_plain_function_hides_is_refused_when_it_is_called(hidden, words):
    on_connect("desk")(lambda iostream: hidden(iostream))
    with pytest.raises(ConfigError, match=words):
        registry.find("desk").call(None)
    with pytest.raises(ConfigError, match=f"on_connect=… {words}"):
        call_agent_function(lambda iostream: hidden(iostream), None, "on_connect=…")


def test_a_decorator_without_a_name_is_refused():
    with pytest.raises(ConfigError, match=r"got <function plain .*: use a text .* as in @on_connect\('plain'\)"):
        on_connect(plain)


@pytest.mark.parametrize("name", ["", None, 5, b"desk", "x" * 101])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match=r'use a text of 1 to 100 characters, as in @on_connect\("weather"\)'):
        on_connect(name)


def test_prompts_that_are_one_text_are_refused():
    with pytest.raises(ConfigError, match="prompts='Hello' of agent function 'desk': use a list of texts"):
        on_connect("desk", prompts="Hello")


@pytest.mark.parametrize("allow", [awaited, True, "staff"])
def test_a_rule_that_would_let_everybody_in_is_refused(allow):
    with pytest.raises(ConfigError, match="of agent function 'desk': use a plain function of the user, or None"):
        on_connect("desk", allow=allow)


@pytest.mark.parametrize("name", ["a/b", "/", ".", "..", " a", "a\n", "a\u202eb", "\u200b"])
def test_a_name_that_no_address_can_have_is_refused(name):
    with pytest.raises(ConfigError, match="address"):
        on_connect(name)


@pytest.mark.parametrize("name", ["weather", "weather desk", "a.b", "v1:x", "Wetter für alle", "طقس", "100%?#"])
def test_other_names_are_not(name):
    on_connect(name)


def test_two_functions_of_one_name_are_refused_and_one_that_is_imported_again_is_not():
    on_connect("desk")(plain)
    on_connect("desk")(plain)
    with pytest.raises(ConfigError, match=r"named 'desk': .*plain and .*lambda.*; rename one"):
        on_connect("desk")(lambda iostream: None)

"""Which of an agent function's variables a tool has changed."""

import dataclasses
import functools
from collections import Counter, deque

import pytest

from agentchat.tools.memory import MemoryWatch


@dataclasses.dataclass
class Cart:
    articles: list[str] = dataclasses.field(default_factory=list)

    def add(self, article):
        self.articles.append(article)


class Slotted:
    __slots__ = ("total",)

    def __init__(self):
        self.total = 0

    def add(self, amount):
        self.total += amount


def a_list():
    cart = []
    return lambda: cart.append(1)


def a_nested_list():
    order = {"articles": [{"name": "chair", "pieces": [1]}]}
    return lambda: order["articles"][0]["pieces"].append(2)


def a_flag():
    paid = False

    def pay():
        nonlocal paid
        paid = True

    return pay


def a_set():
    seen = set()
    return lambda: seen.add("x")


def a_counter():
    counts = Counter()
    return lambda: counts.update("a")


def a_queue():
    queue = deque([1])
    return lambda: queue.popleft()


def an_object():
    cart = Cart()
    return lambda: cart.add("chair")


def a_helpers_variable():
    cart = []

    def helper():
        cart.append(1)

    def tool():
        helper()

    return tool


def a_method():
    return functools.partial(Cart().add, "chair")


def a_slot():
    return functools.partial(Slotted().add, 3)


def a_decorated():
    cart = []

    def add():
        cart.append(1)

    @functools.wraps(add)
    def wrapper():
        return add()

    return wrapper


def same_length():
    prices = {"chair": 1}
    return lambda: prices.update(chair=2)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((a_list, "cart"), (a_nested_list, "order"), (a_flag, "paid"), (a_set, "seen"), (a_counter, "counts")),
        *((a_queue, "queue"), (an_object, "cart"), (a_helpers_variable, "cart"), (a_method, "self.articles")),
        *((a_slot, "self.total"), (a_decorated, "cart"), (same_length, "prices")),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_changed_variable_is_named(make, name):
    tool = make()
    changes = MemoryWatch(lambda iostream: None, kept=lambda: None).changes(tool)
    tool()
    assert changes() == [name]


def test_what_a_tool_only_reads_is_not_named():
    stock = {"chair": [1, 2]}
    catalogue = Cart(["chair"])
    loop = []
    loop.append(loop)

    def look():
        return len(stock["chair"]), catalogue.articles[0], loop[0]

    changes = MemoryWatch(lambda iostream: None, kept=lambda: None).changes(look)
    look()
    assert changes() == []


def test_what_lives_longer_than_the_function_is_not_its_memory():
    calls = []

    def agent_function(iostream):
        inner = []

        def tool():
            calls.append(1)
            inner.append(1)

        return tool

    tool = agent_function(None)
    changes = MemoryWatch(agent_function, kept=lambda: None).changes(tool)
    tool()
    assert changes() == ["inner"]


def test_what_is_kept_is_not_lost():
    state = {"cart": [{"pieces": []}]}
    pieces = state["cart"][0]["pieces"]
    changes = MemoryWatch(lambda iostream: None, kept=lambda: state).changes(tool := lambda: pieces.append(1))
    tool()
    assert changes() == []


def test_large_variables_cost_little():
    large = [list(range(1_000)) for _ in range(1_000)]
    changes = MemoryWatch(lambda iostream: None, kept=lambda: None).changes(tool := lambda: large.append([]))
    tool()
    assert changes() == ["large"]

"""What users see of a result, also while it is being written."""

import json
import time

import pytest
from pydantic import BaseModel, Field

from agentchat.llm.results import GrowingResult, result_format
from agentchat.llm.results.readable import MAX_SHOWN_CHARS
from agentchat.markup.markdown import to_html


class Stop(BaseModel):
    place: str
    nights: int


class Trip(BaseModel):
    name: str = Field(title="Name of the trip")
    is_cheap: bool = True
    price: float | None = None
    tags: list[str] = []
    stops: list[Stop] = []
    leader: Stop | None = None
    grid: list[list[int]] = []


TRIP = {
    "name": "Up\nnorth",
    "is_cheap": False,
    "price": None,
    "tags": ["cold", "far"],
    "stops": [{"place": "Oslo", "nights": 2}, {"place": "Tromsø", "nights": 3}],
    "leader": {"place": "Bergen", "nights": 1},
    "grid": [[1, 2]],
}
TEXT = """- **Name of the trip:** Up
  north
- **Is cheap:** ✗
- **Tags:**
  - cold
  - far
- **Stops:**
  - **Place:** Oslo
    **Nights:** 2
  - **Place:** Tromsø
    **Nights:** 3
- **Leader:**
  - **Place:** Bergen
  - **Nights:** 1
- **Grid:**
  - 1, 2"""


def test_its_fields_are_a_list_in_the_order_in_which_they_were_written():
    assert result_format(Trip).text_of(json.dumps(TRIP)) == TEXT


def test_the_list_is_a_list_on_a_page():
    html = to_html(TEXT)
    assert html.count("<ul") == 5
    assert "<strong>Name of the trip:</strong> Up" in html


def test_a_model_may_say_itself_what_is_shown():
    class Sum(BaseModel):
        total: int

        def format(self):
            return f"**{self.total}** in all"

    assert result_format(Sum).text_of('{"total": 3}') == "**3** in all"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("before", ["", "```json\n", "Sure: "])
def test_what_is_shown_while_it_is_written_is_the_beginning_of_what_is_shown_then(size, before):
    written = before + json.dumps(TRIP, ensure_ascii=False)
    growing, shown = GrowingResult(Trip), ""
    for start in range(0, len(written), size):
        shown += growing.add(written[start : start + size])
        assert TEXT.startswith(shown)
    assert shown or size == 1000


def test_it_grows_while_it_is_written():
    growing = GrowingResult(Trip)
    pieces = [growing.add(character) for character in json.dumps(TRIP)]
    assert len([piece for piece in pieces if piece]) > 5


@pytest.mark.parametrize("written", ["no JSON at all, " * 20, "{{{{" * 20, "[1, 2]" * 20, '{"a": ' * 500])
def test_what_is_no_result_is_not_shown(written):
    growing = GrowingResult(Trip)
    assert not any(growing.add(written[n : n + 5]).strip("-* A:\n") for n in range(0, len(written), 5))


def test_a_long_result_is_rendered_seldom_enough():
    written = json.dumps({"name": "x", "tags": ["word " * 10] * 2000})
    growing, started = GrowingResult(Trip), time.process_time()
    for start in range(0, len(written), 4):
        growing.add(written[start : start + 4])
    taken = time.process_time() - started
    whole = GrowingResult(Trip)
    started = time.process_time()
    whole.add(written[:MAX_SHOWN_CHARS])
    assert taken < 60 * max(time.process_time() - started, 0.005)

"""A chat on paper: the transcript alone, unfolded, in black on white, with nothing cut off."""

import pytest

from tests.browser.long_chats import tell
from tests.factories import said

PASTED = "\n".join(f"Line {number} of what was pasted" for number in range(60))
ANSWER = f"""
| {" | ".join(f"Column {n}" for n in range(16))} |
|{"---|" * 16}
| {" | ".join(f"value {n}" for n in range(16))} |

```python
{"a very long line of code " * 20}
```
"""
FACTS = [
    *said("u1", PASTED, "user", "Ada Lovelace"),
    *said("a1", ANSWER),
    ("STEP_STARTED", {"stepName": "n1", "name": "critic"}),
    *said("n1", "What was said apart"),
    ("STEP_FINISHED", {"stepName": "n1", "name": "critic"}),
    ("TOOL_CALL_START", {"toolCallId": "c1", "toolCallName": "look_up", "name": "chatbot"}),
    ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": '{"city": "Paris"}'}),
    ("TOOL_CALL_END", {"toolCallId": "c1"}),
    ("TOOL_CALL_RESULT", {"toolCallId": "c1", "content": PASTED, "ok": True, "durationMs": 5}),
]

# Of each element: whether it takes room on the page.
SEEN = """selector => [...document.querySelectorAll(selector)].some((each) =>
  each.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) && each.getClientRects().length > 0
  && [...each.getClientRects()].some(({ width, height }) => width > 2 && height > 2))"""
CUT = """() => [...document.querySelectorAll("#transcript *")].filter((each) =>
  !each.closest("header, summary") && getComputedStyle(each).overflowX !== "visible"
  && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1))
  .map((each) => each.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chat_is_printed_as_a_transcript(make_tab, shared_site, scheme):
    tab = make_tab(shared_site)
    tab.open_agent("Chat with Assistant")
    tell(tab.site, tab.session_id, FACTS)
    tab.page.set_viewport_size({"width": 1000, "height": 700})  # about A4, landscape
    tab.page.emulate_media(media="print", color_scheme=scheme)
    tab.page.reload()
    tab.page.evaluate(
        "document.querySelector('[data-id=u1] [data-edit]').click()"
    )  # what is edited is printed as it is
    for selector in (
        ".sidebar",
        ".skip-link",
        ".dock",
        ".banner",
        ".actions",
        ".copy",
        ".unfold",
        ".topbar button",
        "form",
    ):
        assert not tab.page.evaluate(SEEN, selector), selector
    for selector in (
        *(
            "h1",
            '[data-id="u1"] .words',
            '[data-id="u1"] .name',
            '[data-id="a1"] .name',
            '[data-id="n1"] .prose p',
            "[data-result]",
        ),
        *("[data-rows] dd", ".code-language"),
    ):
        assert tab.page.evaluate(SEEN, selector), selector
    assert tab.page.evaluate(CUT) == []
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    look = "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.documentElement))"
    assert tab.page.evaluate(look) == ["rgb(255, 255, 255)", "rgb(34, 37, 42)"]
    tab.page.emulate_media(media="screen")
    assert not tab.page.evaluate(SEEN, '[data-id="n1"] .prose p')  # on the screen it is folded

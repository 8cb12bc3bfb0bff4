"""Footnotes: references, notes, their order and their ids."""

import re

from agentchat.markup.markdown import to_html

TWO = "One[^b] and two[^a], and one again[^b].\n\n[^a]: The **second**.\n[^b]: The first.\n\nAfter them."


def numbers(html: str) -> list[str]:
    return re.findall(r"<sup><a [^>]*>(\d+)</a></sup>", html)


def test_notes_are_listed_at_the_end_in_the_order_of_the_references() -> None:
    html = to_html(TWO, key="m")
    assert numbers(html) == ["1", "2", "1"]
    text, notes = html.split('<ol class="notes">')
    assert "After them." in text
    assert re.findall(r"<li[^>]*>(.*?) <a", notes) == ["The first.", "The <strong>second</strong>."]


def test_references_and_notes_lead_to_each_other() -> None:
    html = to_html(TWO, key="m")
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids)) == 4
    assert set(re.findall(r'href="#([^"]*)"', html)) == set(ids)
    assert "_blank" not in html


def test_two_messages_have_no_id_in_common() -> None:
    first, second = (set(re.findall(r' id="([^"]*)"', to_html(TWO, key=key))) for key in ("m-1-2", "m-1-3"))
    assert first
    assert second
    assert not first & second


def test_a_note_may_have_several_blocks_and_stand_in_a_list_or_a_quotation() -> None:
    html = to_html("a[^1]\n\n[^1]: First.\n\n    ```\n    code\n    ```\n\n    Last.")
    assert re.search(r"<li[^>]*>\s*<p>First.</p>\s*<pre.*Last. <a", html, re.DOTALL)
    html = to_html("- item[^1]\n\n  [^1]: In the list.\n- other[^2]\n\n> [^2]: In a quotation.")
    assert re.findall(r"<li id=[^>]*>(.*?) <a", html) == ["In the list.", "In a quotation."]
    assert html.index("other") < html.index("In the list.")


def test_a_reference_without_a_note_stays_text_and_a_note_without_one_is_shown() -> None:
    assert to_html("a[^1]") == "<p>a[^1]</p>\n"
    assert "Nobody refers to it." in to_html("a\n\n[^x]: Nobody refers to it.")


def test_the_first_of_several_notes_with_a_label_counts() -> None:
    html = to_html("a[^1]\n\n[^1]: First.\n[^1]: Again.")
    assert "First." in html
    assert "Again." not in html


def test_code_and_links_have_no_references() -> None:
    html = to_html("`a[^1]` [b[^1]](https://example.org/)\n\n[^1]: x")
    assert numbers(html) == []


def test_a_hostile_label_is_harmless() -> None:
    html = to_html('a[^"><script>]\n\n[^"><script>]: x', key='"><script>')
    assert "<script" not in html
    assert set(re.findall(r' id="([^"]*)"', html)) <= set(re.findall(r' id="(noted?-[0-9a-f]{8}-1)"', html))

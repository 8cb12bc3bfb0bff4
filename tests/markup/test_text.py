"""What a reader sees of Markdown, as plain text."""

import pytest

from agentchat.markup.text import to_text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("Here is **Rome**: *hot*, `code` and ~~cold~~", "Here is Rome: hot, code and cold"),
        ("# A heading\n\n- one\n- **two**\n\n> quoted", "A heading\none\ntwo\nquoted"),
        ("a [link](https://x.example/y) and ![a picture](https://x.example/z.png)", "a link and a picture"),
        ("| a | b |\n|---|---|\n| **1** | 2 |", "a\nb\n1\n2"),
        ("```python\nprint(1)\n```\n\nafter", "print(1)\nafter"),
        ("first\nsecond\\\nthird", "first\nsecond\nthird"),
        ("snake\\_case &amp; 2 \\* 3", "snake_case & 2 * 3"),
        ("see $x^2$ and\n\n$$y = 1$$", "see x^2 and\ny = 1"),
        ("a <b>bold</b> claim", "a <b>bold</b> claim"),  # a page shows it too: raw HTML is text
        ("H<sub>2</sub>O<br>and <kbd>Esc</kbd>", "H2O\nand Esc"),
        ("- [x] done\n- [ ] **to do**", "done\nto do"),
        ("One[^b] and two[^a].\n\n[^a]: Second.\n[^b]: First.\n\nAfter.", "One and two.\nAfter.\nFirst.\nSecond."),
        ("> [!NOTE]\n> Text", "Note\nText"),
        ("<think>\nHm.\n</think>\n\nFour.", "Four."),
        ("", ""),
        ("\ud800", "\ufffd"),
    ],
)
def test_marks_are_left_out_and_words_stay(markdown, text):
    assert to_text(markdown) == text

"""Emphasis and bare URLs beside scripts that are written without spaces."""

import re

import pytest

from agentchat.markup.markdown import to_html


@pytest.mark.parametrize(
    ("markdown", "bold"),
    [
        ("**重点：**这是", "重点："),
        ("这是**“术语”**的意思", "“术语”"),
        ("**Markdown（マークダウン）**は", "Markdown（マークダウン）"),
        ("**값(value)**을", "값(value)"),
        ("**「強調」**です", "「強調」"),
        ("**注意！**请看", "注意！"),
        ("请看**[链接](https://example.org/)**。", "链接"),
        ("用**`code`**运行", "code"),
        ("**文件.txt**を", "文件.txt"),
        ("이것은 **“인용”**이다", "“인용”"),
        ("ราคา**(ใหม่)**นะ", "(ใหม่)"),
        ("| **项：**值 |\n|---|", "项："),
        ("- **步骤一：**打开", "步骤一："),
        ("**중요:**필독", "중요:"),
        ("**版本:**3.11", "版本:"),
        ("**注意!**Python", "注意!"),
        ("Python**(编程)**is", "(编程)"),
        ("word**“术语”**word", "“术语”"),
        ("**값(원):**100", "값(원):"),
    ],
)
def test_bold_text_beside_marks_is_bold(markdown: str, bold: str) -> None:
    html = to_html(markdown)
    assert re.sub("<[^>]+>", "", re.findall("<strong>(.*)</strong>", html)[0]) == bold
    assert "*" not in html


def test_struck_and_italic_text_beside_marks_is_too() -> None:
    assert to_html("~~删除：~~这") == "<p><s>删除：</s>这</p>\n"
    assert to_html("*斜体。*后") == "<p><em>斜体。</em>后</p>\n"


@pytest.mark.parametrize(
    "text", ["2 * 3 * 4", "a**(b)**c", "snake_case_name", "重 * 点 * 是", "__init__.py", "重点** 是"]
)
def test_marks_that_are_no_emphasis_stay(text: str) -> None:
    html = to_html(text)
    assert not re.search("<(em|strong)>", html) or text == "__init__.py"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org，请看", "https://example.org"),
        ("https://example.org/a。然后", "https://example.org/a"),
        ("访问https://example.org/a查看", "https://example.org/a"),
        ("访问https://example.org/查看更多", "https://example.org/"),
        ("https://example.org에서 볼", "https://example.org"),
        ("https://example.org/a（说明）", "https://example.org/a"),
        ("《https://example.org/a》", "https://example.org/a"),
        ("“https://example.org/a”说", "https://example.org/a"),
        ("https://example.org/a——请", "https://example.org/a"),
        ("https://example.org/a、b", "https://example.org/a"),
        ("**https://example.org/a**请", "https://example.org/a"),
        ("https://example.org/?q=1&b=2：结果", "https://example.org/?q=1&amp;b=2"),
        ("ดูhttps://example.org/aครับ", "https://example.org/a"),
        ("请看www.example.org，", "http://www.example.org"),
        ("www.example.org/a_b_c에서", "http://www.example.org/a_b_c"),
        ("See (www.example.org/a).", "http://www.example.org/a"),
        ("https://ja.wikipedia.org/wiki/日本 です", "https://ja.wikipedia.org/wiki/%E6%97%A5%E6%9C%AC"),
        ("https://ja.wikipedia.org/wiki/日本。", "https://ja.wikipedia.org/wiki/"),
        ("https://例え.jp/a", "https://xn--r8jz45g.jp/a"),
    ],
)
def test_a_bare_url_ends_where_the_text_goes_on(text: str, url: str) -> None:
    assert re.findall('href="([^"]*)"', to_html(text)) == [url]


@pytest.mark.parametrize(
    "text", ["main.py", "example.org", "www.", "www", "ftp://example.org", "//example.org/a", "a@b.org"]
)
def test_other_text_is_no_url(text: str) -> None:
    assert "<a" not in to_html(text)

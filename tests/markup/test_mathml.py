"""LaTeX as MathML: rows, limits, lines, text; and that what is not understood is not shown wrongly."""

import re

import pytest

from agentchat.markup.markdown import to_html
from agentchat.markup.mathml import to_mathml


def rows(mathml: str) -> list[str]:
    """The text of the rows, cells beside one another."""
    return [re.sub(r"<[^>]+>", "", row) for row in re.findall("<mtr>(.*?)</mtr>", mathml)]


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\begin{aligned} 2x+3 &= 7 \\ x &= 2 \end{aligned}", ["2x+3=7", "x=2"]),
        (r"\begin{alignedat}{2} x &= 1 & y &= 2 \\ a &= b & c &= d \end{alignedat}", ["x=1y=2", "a=bc=d"]),
        (r"\begin{align} a &= b \\ c &= d \end{align}", ["a=b", "c=d"]),
        (r"\begin{align*} a &= b \nonumber \\[2ex] c &= d \label{x} \end{align*}", ["a=b", "c=d"]),
        (r"\begin{alignat}{2} a &= b \\ c &= d \end{alignat}", ["a=b", "c=d"]),
        (r"\begin{flalign} a &= b \\ c &= d \end{flalign}", ["a=b", "c=d"]),
        (r"\begin{eqnarray} a &=& b \\ c &=& d \end{eqnarray}", ["a=b", "c=d"]),
        (r"\begin{split} a &= b \\ &= c \end{split}", ["a=b", "=c"]),
        (r"\begin{equation}\begin{split} a &= b \\ &= c \end{split}\end{equation}", ["a=b", "=c"]),
        (r"\begin{gather} a \\ b \end{gather}", ["a", "b"]),
        (r"\begin{multline} a \\ b \end{multline}", ["a", "b"]),
        (r"\begin{aligned}[t] a &= b \\* c &= d \\ \end{aligned}", ["a=b", "c=d"]),
        (r"\begin{cases} 1 & x>0 \\ 0 & \text{else} \end{cases}", ["1x&gt;0", "0else"]),
        (r"\begin{dcases} 1 & x>0 \\ 0 \end{dcases}", ["1x&gt;0", "0"]),
        (r"\begin{rcases} 1 & x>0 \\ 0 \end{rcases}", ["1x&gt;0", "0"]),
        (r"\begin{cases*} 1 \\ 0 \end{cases*}", ["1", "0"]),
        (r"f(x) = \cases{a \cr b}", ["a", "b"]),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}^{-1}", ["12", "34"]),
        (r"\pmatrix{a & b \\ c & d}", ["ab", "cd"]),
        (r"\begin{pmatrix*}[r] a \\ b \end{pmatrix*}", ["a", "b"]),
        (r"A_{\begin{smallmatrix} a \\ b \end{smallmatrix}}", ["a", "b"]),
        (r"\left\{ \begin{array}{ll} a & b \\ c & d \end{array} \right.", ["ab", "cd"]),
        (r"\sum_{\substack{i<j \\ j>1}} x", ["i&lt;j", "j&gt;1"]),
        (r"a \\ b", ["a", "b"]),
        (r"a &= b \\ &= c", ["a=b", "=c"]),
        (r"\left[\begin{aligned} a &= \left( b \right. \\ & \left. + c \right) \end{aligned}\right]", ["a=(b", "+c)"]),
    ],
)
def test_rows_are_rows(latex: str, shown: list[str]) -> None:
    mathml = re.sub("[\u2061-\u2064]", "", to_mathml(latex, True))
    assert rows(mathml) == shown
    assert "&amp;" not in mathml
    assert "\\" not in mathml


def test_tables_may_be_in_tables() -> None:
    mathml = to_mathml(r"\begin{cases} \begin{aligned} a &= 1 \\ b &= 2 \end{aligned} & x \\ c & y \end{cases}", True)
    assert mathml.count("<mtr>") == 4


@pytest.mark.parametrize(
    ("latex", "element"),
    [
        (r"\sum_{i=1}^{n} i", "munderover"),
        (r"\prod_i^n", "munderover"),
        (r"\bigcup_{i}", "munder"),
        (r"\lim_{x \to 0} f", "munder"),
        (r"\max_x", "munder"),
        (r"\int\limits_0^1", "munderover"),
        (r"\operatorname*{argmax}_x", "munder"),
        (r"\overset{?}{=}", "mover"),
        (r"\underset{x}{\min}", "munder"),
        (r"\underbrace{a}_{b}", "munder"),
        (r"\xrightarrow{f}", "mover"),
        (r"\int_0^1", "msubsup"),
    ],
)
def test_limits_are_above_and_below(latex: str, element: str) -> None:
    assert f"<{element}>" in to_mathml(latex, True)


def test_arrays_have_their_lines() -> None:
    html = to_html("$$\n" + r"\begin{array}{|c|c|} \hline a & b \\ \hline c & d \\ \hline \end{array}" + "\n$$")
    assert re.search(r'<mtable class="line-left line-top"[^>]*><mtr><mtd class="line-right"><mi>a', html)
    assert '<mtd class="line-top line-right"><mi>c' in html
    assert '<mtr><mtd class="line-top" columnspan="2"></mtd></mtr></mtable>' in html
    assert to_html(r"$$\begin{array}{c:c} a & b \\ \hdashline c & d \end{array}$$").count("line-") == 4


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\text{if $x_{1}$ is} 0", ["if ", " is"]),
        (r"\mbox{for all } x", ["for all "]),
        (r"x = 1 \tag{3}", ["(3)"]),
        (r"x = 1 \tag*{three}", ["three"]),
        (r"\textbf{Größe} = 1", ["<strong>Größe</strong>"]),
    ],
)
def test_text_and_tags_are_text(latex: str, shown: list[str]) -> None:
    assert re.findall("<mtext>(.*?)</mtext>", to_mathml(latex, True).replace("\xa0", " ")) == shown


@pytest.mark.parametrize(
    "latex",
    [
        r"\frac{a \\ b}{c}",
        r"{a & b}",
        r"\begin{aligned} x &= \left( a \\ & b \right) \end{aligned}",
        r"\foo{x}",
        r"\begin{foo} a \\ b \end{foo}",
        r"\begin{aligned} a &= b",
        r"\hline",
        r"a_b_c",
        "{" * 70 + "}" * 70,
        r"\hat" * 300 + "x",
    ],
)
def test_what_is_not_understood_shows_its_source(latex: str) -> None:
    assert to_mathml(latex, True) == ""
    assert '<code class="language-latex">' in to_html(f"$$\n{latex}\n$$")


@pytest.mark.parametrize(
    "environment", ["aligned", "alignedat", "split", "cases", "dcases", "rcases", "gathered", "array"]
)
def test_an_environment_may_stand_without_delimiters(environment: str) -> None:
    html = to_html(rf"\begin{{{environment}}}{{2}} a \\ b \end{{{environment}}}".replace("{array}{2}", "{array}{c}"))
    assert html.count("<mtr>") == 2


def test_what_is_crossed_out_and_boxed_is_marked() -> None:
    html = to_html(r"$\cancel{a} \xcancel{b} \boxed{c}$")
    assert re.findall('notation="([^"]*)"', html) == ["updiagonalstrike", "updiagonalstrike downdiagonalstrike", "box"]


def test_nothing_of_it_has_a_style() -> None:
    for latex in (r"\color{red}{x}", r"\begin{align} a &= b \end{align}", r"\cfrac12", r"\!x", r"\raisebox{1em}{x}"):
        assert " style=" not in to_html(f"${latex}$")

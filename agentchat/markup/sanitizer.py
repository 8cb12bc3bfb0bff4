"""The allow-list of HTML elements and attributes, and the only place where text becomes a `SafeString`.

What Markdown, MathML and syntax highlighting produce is cleaned against this list before a page or a frame gets it.
"""

import re
from collections.abc import Set

import nh3
from django.utils.safestring import SafeString

from agentchat.core.text import replace_lone_surrogates
from agentchat.markup import highlighting
from agentchat.markup.alerts import KINDS

_LANGUAGE = re.compile(r"language-[\w+#.-]{1,40}")
_LENGTH = re.compile(r"-?(?:[0-3]|[0-3]?\.\d{1,8})(?:em|ex)|0")  # nothing is pushed far, or over its neighbours
_HREF = re.compile(r"(?:https?://|mailto:|tel:)[^\s]+|/(?!/)\S*|#noted?-[\w-]{1,80}", re.IGNORECASE)
_ID = re.compile(r"noted?-[\w-]{1,80}")  # of a footnote, and of the reference to it
_NUMBER = re.compile(r"\d{1,9}")
_LENGTH_ATTRIBUTES = {"width", "height", "depth", "lspace", "rspace", "minsize", "maxsize"}
_SHAPES = {"class": _LANGUAGE, "href": _HREF, "id": _ID, "value": _NUMBER, **dict.fromkeys(_LENGTH_ATTRIBUTES, _LENGTH)}
_ALERTS = {f"markdown-alert-{kind}" for kind in KINDS}
_LINES = {f"line-{side}" for side in ("left", "right", "top", "bottom")}
_CLASSES: dict[str, Set[str]] = {
    "span": highlighting.CLASSES,
    "details": {"thoughts"},
    "div": {"markdown-alert", *_ALERTS},
    "p": {"markdown-alert-title"},
    "li": {"task-list-item"},
    "ol": {"notes"},
    "mtable": _LINES,
    "mtd": _LINES,
}
_DIRECTIONS = {"dir": {"ltr", "rtl"}}
_DIRECTED = ("p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "table", "div", "th", "td")
_ALIGNMENTS = {"align": {"left", "center", "right"}}
_BOOLEANS = {"true", "false"}

# MathML that shows something and does nothing else: no links, no colors, no classes, no <annotation-xml>.
_MATHML_TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mpadded", "mphantom", "mstyle", "mfrac", "msqrt", "mroot"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts"),
    *("mtable", "mtr", "mtd", "menclose"),
}
_MATHML_LENGTHS = {
    "mspace": {"width", "height", "depth"},
    "mpadded": {"width", "height", "depth", "lspace"},
    "mo": {"lspace", "rspace", "minsize", "maxsize"},
}
_MATHML_VALUES = {
    "math": {"display": {"block", "inline"}},
    "mstyle": {"displaystyle": _BOOLEANS, "scriptlevel": {"0", "1", "2"}},
    "mfrac": {"linethickness": {"0"}, "displaystyle": _BOOLEANS},
    "mrow": {"displaystyle": _BOOLEANS, "scriptlevel": {"0", "1", "2"}},
    "mi": {"mathvariant": {"normal"}},
    "mo": {
        name: _BOOLEANS
        for name in ("stretchy", "fence", "separator", "symmetric", "largeop", "movablelimits", "accent")
    }
    | {"form": {"prefix", "infix", "postfix"}},
    "mover": {"accent": _BOOLEANS},
    "munder": {"accentunder": _BOOLEANS},
    "mtable": {"displaystyle": _BOOLEANS, "scriptlevel": {"0", "1", "2"}},
    "mtd": {"columnalign": {"left", "center", "right"}, "columnspan": {str(count) for count in range(1, 100)}},
    "menclose": {"notation": {"box", "updiagonalstrike", "downdiagonalstrike", "updiagonalstrike downdiagonalstrike"}},
}


def clean(html: str) -> SafeString:
    """The HTML without anything that the allow-list does not name. Safe in any thread."""
    return SafeString(_cleaner.clean(replace_lone_surrogates(html)))


def _filter_attribute(tag: str, attribute: str, value: str) -> str | None:
    """The value, or None to drop the attribute. nh3 has checked its name, and values that are listed in full."""
    if attribute == "class" and tag != "code":
        return value if _CLASSES[tag] >= set(value.split()) else None
    shape = _SHAPES.get(attribute)
    return value if shape is None or shape.fullmatch(value) else None


_cleaner = nh3.Cleaner(
    tags={
        *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "sub", "sup", "kbd"),
        *("span", "em", "strong", "s", "a", "div", "table", "thead", "tbody", "tr", "th", "td"),
        *("details", "summary", "label", "input"),
        *_MATHML_TAGS,
    },
    attributes={
        **{"a": {"href", "title", "id"}, "code": {"class"}, "input": {"disabled", "checked"}},
        **{tag: {"class"} for tag in _CLASSES},
        **{"div": {"class", "aria-label"}, "ol": {"class", "start"}, "li": {"class", "id", "value"}},
        **_MATHML_LENGTHS,
    },
    tag_attribute_values={
        **_MATHML_VALUES,
        **{tag: _DIRECTIONS for tag in _DIRECTED},
        **{"th": _ALIGNMENTS | _DIRECTIONS, "td": _ALIGNMENTS | _DIRECTIONS},
        **{"div": {"role": {"group", "note"}, "tabindex": {"0"}} | _DIRECTIONS},
        **{"a": {"target": {"_blank"}}, "input": {"type": {"checkbox"}}},
    },
    set_tag_attribute_values={"pre": {"tabindex": "0"}},
    attribute_filter=_filter_attribute,
    url_schemes={"http", "https", "mailto", "tel"},
    url_relative="pass_through",  # as _HREF says
    link_rel="noopener nofollow",
)

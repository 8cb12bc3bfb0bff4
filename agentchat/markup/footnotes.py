"""Footnotes: `[^1]` in the text, `[^1]: The note.` on a line of its own.

The notes are listed at the end of the message, in the order in which they are first referred to; those that nothing
refers to come last. A reference to a note that does not exist stays text. The ids of notes begin with the message's
key, so that two messages of a page do not collide.

mdit-py-plugins' footnotes take quadratic time, and leave a reference as it is until its note comes, which in a streamed
message is at its end.
"""

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_REFERENCES = 500  # in one message; those after them stay text

WAY_BACK = "\u21a9\ufe0e"  # an arrow; with this selector it is no emoji

_LABEL = r"\[\^([^\]\[\s^]{1,60})\]"
_REFERENCE = re.compile(_LABEL)
DEFINITION = re.compile(_LABEL + ":[ \t]*")
_ENV = "agentchat_footnotes"


@dataclass
class Footnotes:
    """The footnotes of one message. `is_partial`: more text may come, so each reference is taken for one."""

    key: str = ""
    is_partial: bool = False
    references: int = 0
    numbers: dict[str, int] = field(default_factory=dict)  # of the labels that are referred to
    notes: dict[str, list[Token]] = field(default_factory=dict)

    @classmethod
    def of(cls, env: MutableMapping[str, Any]) -> "Footnotes":
        """Those of the message whose env this is."""
        footnotes = env.setdefault(_ENV, cls())
        assert isinstance(footnotes, cls)
        return footnotes

    def copy(self) -> "Footnotes":
        return replace(self, numbers=dict(self.numbers), notes=dict(self.notes))

    def put_into(self, env: MutableMapping[str, Any]) -> None:
        env[_ENV] = self


def footnotes_plugin(markdown: MarkdownIt) -> None:
    """A plugin for markdown-it: `MarkdownIt().use(footnotes_plugin)`."""
    markdown.block.ruler.before("reference", "footnote", _parse_note, {"alt": ["paragraph", "reference"]})
    markdown.inline.ruler.before("link", "footnote_reference", _parse_reference)
    markdown.core.ruler.after("inline", "footnotes", _collect)
    markdown.add_render_rule("footnote_reference", _render_reference)


# --- parsing --------------------------------------------------------------------------------------------------------


def _parse_note(state: StateBlock, first: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    found = DEFINITION.match(state.src, state.bMarks[first] + state.tShift[first], state.eMarks[first])
    if found is None:
        return False
    if silent:
        return True
    Footnotes.of(state.env).notes.setdefault(found[1], [])
    state.push("note_open", "", 1).info = found[1]
    before = state.bMarks[first], state.tShift[first], state.sCount[first], state.parentType, state.blkIndent
    state.blkIndent += 4  # lines that are indented as far belong to the note, as in a list item
    state.bMarks[first], state.tShift[first], state.sCount[first] = found.end(), 0, state.blkIndent
    state.parentType = "footnote"
    state.md.block.tokenize(state, first, end_line)
    state.bMarks[first], state.tShift[first], state.sCount[first], state.parentType, state.blkIndent = before
    state.push("note_close", "", -1)
    return True


def _parse_reference(state: StateInline, silent: bool) -> bool:
    found = _REFERENCE.match(state.src, state.pos, state.posMax)
    if silent or found is None or state.linkLevel > 0:  # silent: the text of a link is looked for
        return False
    footnotes = Footnotes.of(state.env)
    label = found[1]
    if not (label in footnotes.notes or footnotes.is_partial) or footnotes.references >= MAX_REFERENCES:
        return False
    footnotes.references += 1
    token = state.push("footnote_reference", "", 0)
    token.meta = {"is_first": label not in footnotes.numbers}
    token.meta["number"] = footnotes.numbers.setdefault(label, len(footnotes.numbers) + 1)
    state.pos = found.end()
    return True


def _collect(state: StateCore) -> None:
    """Take the notes out of the text, and list them at the end of a whole message."""
    footnotes = Footnotes.of(state.env)
    if not footnotes.notes:
        return
    text: list[Token] = []
    targets = [text]
    for token in state.tokens:
        if token.type == "note_open":
            note = footnotes.notes[token.info]
            targets.append([] if note else note)  # the first of several notes with the same label counts
        elif token.type == "note_close":
            targets.pop()
        else:
            targets[-1].append(token)
    state.tokens = text
    if not footnotes.is_partial:
        state.tokens += list_of_notes(footnotes)


def list_of_notes(footnotes: Footnotes) -> list[Token]:
    """The tokens of the list at the end; none without notes."""
    is_referred_to = set(footnotes.numbers)
    for label in footnotes.notes:
        footnotes.numbers.setdefault(label, len(footnotes.numbers) + 1)
    in_order = sorted((number, label) for label, number in footnotes.numbers.items() if label in footnotes.notes)
    tokens = []
    if in_order:
        tokens.append(Token("notes_open", "ol", 1, attrs={"class": "notes"}, block=True))
        for number, label in in_order:
            identity = f"{footnotes.key}-{number}"
            attrs: dict[str, str | int | float] = {"id": f"note-{identity}", "value": number}
            tokens.append(Token("note_item_open", "li", 1, attrs=attrs, block=True))
            note = footnotes.notes[label]
            tokens += _with_way_back(note, identity) if label in is_referred_to else note
            tokens.append(Token("note_item_close", "li", -1, block=True))
        tokens.append(Token("notes_close", "ol", -1, block=True))
    return tokens


def _with_way_back(note: Sequence[Token], identity: str) -> list[Token]:
    """The note with a link to where it is referred to, in its last paragraph."""
    link = [
        Token("text", "", 0, content=" "),
        Token("link_open", "a", 1, attrs={"href": f"#noted-{identity}"}, markup="footnote"),
        Token("text", "", 0, content=WAY_BACK),
        Token("link_close", "a", -1),
    ]
    tokens = list(note)
    if tokens and tokens[-1].type == "paragraph_close":
        opening, text, closing = tokens[-3:]
        is_alone = len(tokens) == 3  # then it has no element of its own, as in a list without blank lines
        text = replace(text, children=[*(text.children or []), *link])
        tokens[-3:] = replace(opening, hidden=is_alone), text, replace(closing, hidden=is_alone)
        return tokens
    return [*tokens, Token("inline", "", 0, children=link)]


# --- rendering ------------------------------------------------------------------------------------------------------


def _render_reference(
    self: Any, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    meta = tokens[index].meta
    identity = f"{Footnotes.of(env).key}-{meta['number']}"
    target = f' id="noted-{identity}"' if meta["is_first"] else ""
    return f'<sup><a href="#note-{identity}"{target}>{meta["number"]}</a></sup>'

"""markdown-it's parser of what is within lines, and its renderer, so that their work is counted (`budget.py`).

Rules that look far ahead are replaced by ones that look no further than they must: for the end of a link's text, and
for the end of its URL.
"""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from agentchat.markup.budget import MAX_DEPTH, TOKEN_WORK, OverBudget, current

MAX_URL = 4_096  # characters; a longer one is no link

_STEP, _LINE = 7, 8  # units of work
_MUCH = 4_096  # characters of HTML that need not be counted at once
_DESTINATION = re.compile(r"[^\x00-\x20\x7f]*")


def count_work(markdown: MarkdownIt) -> None:
    """A plugin: count each look at a line, at what is within it, and each token."""
    everywhere = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("table", "budget", _count_line, {"alt": everywhere})
    markdown.inline.ruler.after("text", "budget", _count_step)
    markdown.inline.ruler2.before("balance_pairs", "budget", _count_tokens)
    markdown.helpers = LinkHelpers  # type: ignore[assignment]  # it is a module, of which these functions are used


def _count_line(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    length = state.eMarks[start_line] - state.bMarks[start_line]
    current().spend(_LINE + length // 16, tokens=len(state.tokens))
    return False


def _count_step(state: StateInline, silent: bool) -> bool:
    current().spend(_STEP)
    return False


def _count_tokens(state: StateInline) -> None:
    current().spend(TOKEN_WORK * len(state.tokens) + 4 * len(state.delimiters))


class LinkHelpers:
    """What markdown-it calls `helpers`."""

    @staticmethod
    def parseLinkLabel(state: StateInline, start: int, disableNested: bool = False) -> int:
        """The position of the `]` that ends the text of a link, or -1."""
        budget = current()
        position, state.pos = state.pos, start + 1
        end = -1
        level = 1
        while state.pos < state.posMax:
            if state.src.find("]", state.pos, state.posMax) < 0:
                break
            marker = state.src[state.pos]
            if marker == "]":
                level -= 1
                if level == 0:
                    end = state.pos
                    break
            before = state.pos
            budget.spend(1)
            state.md.inline.skipToken(state)
            if marker == "[":
                if before == state.pos - 1:
                    level += 1
                elif disableNested:
                    break
        state.pos = position
        if end >= 0:
            budget.spend((end - start) // 16)  # it may be looked up as the name of a link
        return end

    @staticmethod
    def parseLinkDestination(string: str, pos: int, maximum: int) -> Any:
        """The URL of a link, as `ok`, `str` and `pos`, where it ends. One that is too long is none."""
        if string.startswith("<", pos):
            end = string.find(">", pos, pos + MAX_URL)
            is_short = end >= 0
        else:
            found = _DESTINATION.match(string, pos, min(maximum, pos + MAX_URL))
            end = found.end() if found else pos
            is_short = end < pos + MAX_URL
        current().spend((end - pos) // 8 if is_short else MAX_URL // 64)
        return parseLinkDestination(string, pos, maximum) if is_short else _NO_DESTINATION

    @staticmethod
    def parseLinkTitle(string: str, start: int, maximum: int, prev_state: Any = None) -> Any:
        """The title of a link, as markdown-it has it."""
        title = parseLinkTitle(string, start, maximum, prev_state)
        current().spend(max(1, (title.pos or maximum) - start) // 8 if title.ok or title.can_continue else 1)
        return title


_NO_DESTINATION = parseLinkDestination("", 0, 0)


class BudgetedRenderer(RendererHTML):
    """Renders tokens as long as their HTML is within the budget, and not nested too deeply."""

    def render(self, tokens: Sequence[Token], options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        out: list[str] = []
        for token, html in self._pieces(tokens, options, env):
            out.append(self.renderInline(token.children or [], options, env) if token.type == "inline" else html)
        return "".join(out)

    def renderInline(self, tokens: Sequence[Token], options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return "".join([html for _, html in self._pieces(tokens, options, env)])

    def _pieces(
        self, tokens: Sequence[Token], options: OptionsDict, env: MutableMapping[str, Any]
    ) -> Iterator[tuple[Token, str]]:
        budget = current()
        budget.spend(TOKEN_WORK * len(tokens))
        depth = size = 0
        for index, token in enumerate(tokens):
            depth += token.nesting
            if depth > MAX_DEPTH:
                raise OverBudget
            if token.type == "inline":
                yield token, ""
                continue
            rule = self.rules.get(token.type)
            html = (rule or self.renderToken)(tokens, index, options, env)
            size += len(html)
            if size > _MUCH:
                budget.write(size)
                size = 0
            yield token, html
        budget.write(size)

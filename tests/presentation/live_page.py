"""A page of a chat, as fragments change it: what it shows live is to be what it shows after a reload."""

import re

from django.template.loader import render_to_string
from django.utils.html import escape

from agentchat.presentation import transcript
from agentchat.presentation.items import NestedChats
from agentchat.presentation.live import Viewer, changes_of, fragments_of
from agentchat.presentation.reader import TranscriptReader

VIEWER = Viewer(language="en", is_open=True, shows_usage=True, shows_details=True)


def plain(html):
    return re.sub(r">\s+<", "><", html).strip()


def rendered(item, viewer):
    """The HTML of an item alone."""
    if isinstance(item, NestedChats):
        item = NestedChats(**{**vars(item), "items": []})
    may_see = {"shows_usage": viewer.shows_usage, "shows_details": viewer.shows_details}
    context = {"items": [item], "has_actions": True, "is_open": viewer.is_open, **may_see}
    return plain(render_to_string("agentchat/transcript.html", context))


def outline(items, viewer):
    """The elements of a transcript: of each its key, its HTML, and what is in it."""
    shown = ((item.key, rendered(item, viewer), outline(getattr(item, "items", []), viewer)) for item in items)
    return [each for each in shown if each[1]]


class ShownPage:
    """The elements of a page, as fragments change them."""

    def __init__(self, elements=()):
        self.elements = list(elements)

    def apply(self, fragment):
        key = fragment["key"]
        if key == "unread":
            self.elements = self._without_notes(self.elements)
        elif "text" in fragment:
            self._replace(key, lambda html: html.replace("</pre>", f"{escape(fragment['text'])}</pre>"))
        elif not fragment["html"]:
            self.elements = self._without(self.elements, key)
        elif not self._replace(key, lambda _: plain(fragment["html"])):
            self._within(fragment.get("in")).append((key, plain(fragment["html"]), []))

    def _within(self, key, elements=None):
        elements = self.elements if elements is None else elements
        if key is None:
            return elements
        for each, _, within in elements:
            found = within if each == key else self._within(key, within)
            if found is not None:
                return found
        return None

    def _replace(self, key, change, elements=None):
        elements = self.elements if elements is None else elements
        for index, (each, html, within) in enumerate(elements):
            if each == key:
                elements[index] = (each, change(html), within)
                return True
            if self._replace(key, change, within):
                return True
        return False

    def _without(self, elements, key):
        return [(each, html, self._without(within, key)) for each, html, within in elements if each != key]

    def _without_notes(self, elements):
        note = re.compile('<p class="unread".*?</p>')
        return [(each, note.sub("", html), self._without_notes(within)) for each, html, within in elements]


def whole(frames, viewer):
    return outline(transcript.of_frames(frames).items, viewer)


def fragments(reader, frame, viewer):
    return fragments_of(changes_of(reader, frame), viewer)


def is_partial(frames):
    """The last frame is the first one of a transaction: of a tool call, or of a person's message."""
    last = frames[-1] if frames else {"type": ""}
    return last["type"] in ("TOOL_CALL_START", "TOOL_CALL_ARGS") or (
        last["type"] == "TEXT_MESSAGE_START" and last["role"] in ("user", "staff")
    )


def assert_live_is_what_a_reload_shows(frames, viewer=VIEWER):
    """After each event. `frames` are those of a chat from its first event on."""
    reader, page = TranscriptReader(), ShownPage()
    for count, frame in enumerate(frames, 1):
        for fragment in fragments(reader, frame, viewer):
            page.apply(fragment)
        if not is_partial(frames[:count]):
            assert page.elements == whole(frames[:count], viewer), frame["type"]

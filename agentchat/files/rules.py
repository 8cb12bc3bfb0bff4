"""Whether an upload may be sent: which types an agent function takes, and how much. Each refusal is a sentence."""

import mimetypes
from collections.abc import Sequence

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from agentchat import conf
from agentchat.core.uploads import UploadRules
from agentchat.errors import Rejected
from agentchat.files.content_types import IMAGES, MARKUP, is_textual
from agentchat.files.names import extension_of
from agentchat.models import StoredFile


def accepts(rules: UploadRules, content_type: str, name: str) -> bool:
    """Whether a file of this type, judged by its content, and this name is one of those that are taken."""
    return any(_matches(pattern, content_type, name) for pattern in rules.patterns)


def _matches(pattern: str, content_type: str, name: str) -> bool:
    if pattern == "*/*":
        return True
    if pattern.startswith("."):
        return extension_of(name) == pattern and _fits(mimetypes.guess_type(f"file{pattern}")[0], content_type)
    if pattern == "image/*":
        return content_type in IMAGES  # those that can be made anew; an SVG is a program
    if pattern == "text/plain":
        return content_type.startswith("text/") and content_type not in MARKUP
    if pattern.endswith("/*"):
        return content_type.startswith(pattern[:-1]) and content_type not in MARKUP
    return content_type == pattern


def _fits(named: str | None, content_type: str) -> bool:
    """Whether the content may have an extension that stands for the type `named`. Of most, only that it is text."""
    if named is None:
        return content_type not in MARKUP
    if is_textual(named):
        return is_textual(content_type) and (content_type not in MARKUP or content_type == named)
    return content_type == named or not (is_textual(content_type) or content_type in KNOWN)


KNOWN = (*IMAGES, "application/pdf")  # a file that is one of these is nothing else


def max_bytes_of(rules: UploadRules) -> int:
    """The most bytes of one file."""
    return min(rules.max_bytes or conf.app.max_upload_mb * 10**6, conf.app.max_upload_mb * 10**6)


def check_size(rules: UploadRules, name: str, size: int) -> None:
    """Raise Rejected for a file that is empty or too large."""
    if size < 1:
        raise Rejected("empty_file", gettext("“%(name)s” is empty.") % {"name": name})
    if size > (limit := max_bytes_of(rules)):
        text = gettext("“%(name)s” is too large: a file may have at most %(limit)s.")
        raise Rejected("file_too_large", text % {"name": name, "limit": filesizeformat(limit)})


def check_type(rules: UploadRules, content_type: str, name: str) -> None:
    """Raise Rejected for a file that is not one of those that are taken."""
    if not accepts(rules, content_type, name):
        text = gettext("“%(name)s” can't be sent here. You can send: %(kinds)s.")
        raise Rejected("wrong_file_type", text % {"name": name, "kinds": kinds_of(rules)})


def check_message(files: Sequence[StoredFile]) -> None:
    """Raise Rejected if these are too many files, or too large ones, for one message."""
    if len(files) > (most := conf.app.max_message_files):
        text = ngettext(
            "A message may have at most %(count)s file.", "A message may have at most %(count)s files.", most
        )
        raise Rejected("too_many_files", text % {"count": number_format(most)})
    if sum(file.size for file in files) > conf.app.max_message_mb * 10**6:
        text = gettext("The files of a message may have at most %(limit)s together.")
        raise Rejected("too_large", text % {"limit": filesizeformat(conf.app.max_message_mb * 10**6)})


def kinds_of(rules: UploadRules) -> str:
    """What is taken, as users read it."""
    named = {
        "*/*": gettext("any file"),
        "audio/*": gettext("audio"),
        "image/*": gettext("images"),
        "text/*": gettext("texts"),
        "text/plain": gettext("texts"),
        "video/*": gettext("videos"),
    }
    return ", ".join(dict.fromkeys(named.get(each) or _short(each) for each in rules.patterns))


def _short(pattern: str) -> str:
    extension = pattern if pattern.startswith(".") else (mimetypes.guess_extension(pattern) or pattern)
    return extension.removeprefix(".").upper()

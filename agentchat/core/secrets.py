"""Secrets that this process knows, and texts without them.

Services repeat the key that they refuse, HTTP libraries the header or the address that they cannot send, and neither
asks who will read it. So secrets are noted where they become known, and masked where texts leave the process's hands:
in the log, in what the journal keeps of a failure, in what pages show of it.
"""

import base64
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

MIN_CHARS = 8  # shorter ones are words of any text
MAX_RECENT = 1_000  # a site may have a key for each of its users

_PASSWORD_IN_URL = re.compile(r"(?<=://)[^\s/@\"']*:[^\s/@\"']+(?=@)")
_FILE = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{200,}={0,2}")  # services repeat it
_OTHER = re.compile(r"[^\x21-\x7e]+")  # what libraries escape, each in its way, in their messages

_lock = threading.Lock()
_lasting: dict[str, str] = {}
_recent: OrderedDict[str, str] = OrderedDict()
_known: tuple[tuple[str, str], ...] = ()  # both, the longest first: one secret may contain another


def masked(key: str) -> str:
    """Enough of a key to tell which one it is, and no more."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 16 else "…"


def note_secret(secret: str, *, lasting: bool = False, hidden: bool = False) -> None:
    """From now on, `mask` replaces this secret, and each part of it that libraries show by itself.

    `lasting`: as long as the process lives; else while it is one of the MAX_RECENT noted last. `hidden`: nothing of it
    is shown; else enough to tell which key it is.
    """
    global _known
    spellings: dict[str, str] = {}
    for word in {secret, *_OTHER.split(secret)}:
        for spelling in (word, repr(word)[1:-1], json.dumps(word)[1:-1], quote(word, safe=""), unquote(word)):
            if len(word) >= MIN_CHARS and len(spelling) >= MIN_CHARS:
                spellings[spelling] = "…" if hidden or word == secret != spelling else masked(word)
    with _lock:
        is_new = not all(each in _lasting or each in _recent for each in spellings)
        for spelling, shown in spellings.items():
            if lasting:
                _lasting[spelling] = shown
            elif spelling not in _lasting:
                _recent[spelling] = shown
                _recent.move_to_end(spelling)
        while len(_recent) > MAX_RECENT:
            _recent.popitem(last=False)
        if is_new:
            _known = tuple(sorted({**_recent, **_lasting}.items(), key=lambda each: -len(each[0])))


def note_url(url: str, *, lasting: bool = False) -> None:
    """Note the password and the query of a URL; of what is none, all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return note_secret(url, lasting=lasting, hidden=True)
    if "@" in parts.netloc:
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        basic = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        for secret in (password, unquote(password), basic):
            note_secret(secret, lasting=lasting, hidden=True)
    for pair in parts.query.split("&"):
        note_secret(pair.partition("=")[2], lasting=lasting, hidden=True)


def mask(text: str) -> str:
    """The text without the secrets that were noted, passwords in URLs, and the bytes of files."""
    for secret, shown in _known:
        if secret in text:
            text = text.replace(secret, shown)
    if len(text) > 200 or ";base64," in text:
        text = _FILE.sub("…", text)
    return _PASSWORD_IN_URL.sub("…", text) if "@" in text else text


def mask_json(value: Any) -> Any:
    """A JSON value whose texts are masked."""
    match value:
        case str():
            return mask(value)
        case Mapping():
            return {key: mask_json(each) for key, each in value.items()}
        case list() | tuple():
            return [mask_json(each) for each in value]
    return value


def mask_error(error: BaseException) -> None:
    """Mask what an exception says, and those that led to it: a traceback has them all, whoever prints it."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.args = tuple(mask(arg) if isinstance(arg, str) else arg for arg in each.args)
        each = each.__cause__ or each.__context__

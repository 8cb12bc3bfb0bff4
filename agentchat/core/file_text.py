"""The text in a file: of texts, PDFs and documents of office programs.

What users attach may be made to harm whoever reads it: three kilobytes of a PDF can take minutes. So PDFs and documents
are read in a process of their own (`file_text_process`), which has so much time and memory and no more, and no secrets.
What was read is remembered for a while: a model reads it again with each message.
"""

import codecs
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import PurePath
from typing import IO, Any, BinaryIO

from cachetools import LRUCache

from agentchat.core.file_text_process import OFFICE
from agentchat.errors import FileUnreadable

MAX_CHARS = 2_000_000  # of one file
MAX_PAGES = 1_000
MAX_SECONDS = 20  # of the processor
MAX_WAIT_SECONDS = 60  # for the process, on a busy machine
MAX_MEMORY_BYTES = 1024**3
MAX_UNPACKED_BYTES = 100 * 10**6  # of an office document, which is a ZIP file
AT_ONCE = 2

_TEXT_TYPES = ("json", "xml", "yaml", "x-yaml", "toml", "javascript", "x-sh", "sql", "x-ndjson", "rtf", "x-python")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CODE = (
    "import json, sys; options = json.loads(sys.argv[1]); sys.path[:] = options.pop('path'); "
    "from agentchat.core.file_text_process import main; main(**options)"
)

_processes = threading.BoundedSemaphore(AT_ONCE)
_read: LRUCache[str, str] = LRUCache(maxsize=4 * MAX_CHARS, getsizeof=len)
_reading = threading.Lock()


def is_text_type(content_type: str) -> bool:
    """Whether a file of this type is a text as it is."""
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    return kind == "text" or subtype in _TEXT_TYPES or subtype.endswith(("+json", "+xml"))


def text_in(opener: Callable[[], BinaryIO], *, name: str, content_type: str, sha256: str) -> str:
    """The text in a file, MAX_CHARS at most. Blocks, perhaps for MAX_WAIT_SECONDS.

    Raise FileUnreadable if there is none to be read, and OSError if the file is not there any more.
    """
    suffix = PurePath(name.lower()).suffix
    if content_type != "application/pdf" and suffix not in OFFICE:
        if not is_text_type(content_type):
            raise FileUnreadable(f"{name!r} ({content_type or 'of no known type'}) has no text that could be read")
        with opener() as contents:
            return _decoded(contents.read(4 * MAX_CHARS + 1))[:MAX_CHARS]  # no character takes more bytes
    suffix = ".pdf" if content_type == "application/pdf" else suffix
    key = f"{sha256}{suffix}"
    with _reading:
        known = _read.get(key)
    if known is None:
        known = _in_process(opener, name, suffix)
        if sha256:
            with _reading:
                _read[key] = known
    return known


def _decoded(data: bytes) -> str:
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        is_cut = len(data) > 4 * MAX_CHARS and error.start >= len(data) - 4
        return data.decode("utf-8" if is_cut else "cp1252", "replace")  # an older encoding


def _in_process(opener: Callable[[], BinaryIO], name: str, suffix: str) -> str:
    options = {
        "path": sys.path,
        "name": name,
        "suffix": suffix,
        "max_chars": MAX_CHARS,
        "max_pages": MAX_PAGES,
        "max_unpacked_bytes": MAX_UNPACKED_BYTES,
        "seconds": MAX_SECONDS,
        "memory_bytes": MAX_MEMORY_BYTES,
    }
    with _processes, tempfile.TemporaryFile() as given, opener() as contents:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _CODE, json.dumps(options)],
                stdin=_as_real_file(contents, given),
                capture_output=True,
                timeout=MAX_WAIT_SECONDS,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FileUnreadable(f"{name!r} takes too long to be read") from None
    if done.returncode != 0:  # it was killed: by its limits, or for want of memory
        raise FileUnreadable(f"{name!r} takes too long, or too much memory, to be read")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise FileUnreadable(str(answer["error"]))
    return str(answer["text"])


def _as_real_file(contents: BinaryIO, given: IO[bytes]) -> IO[bytes]:
    """The contents as a file that another process can read: themselves, or a copy in `given`."""
    try:
        contents.fileno()
    except (AttributeError, OSError):
        while piece := contents.read(2**18):
            given.write(piece)
        given.seek(0)
        return given
    return contents

"""The text in a file: of texts, PDFs and documents of office programs.

What users attach may be made to harm whoever reads it, so what is unpacked is limited: pages, characters, time.
"""

import codecs
import importlib
import time
import zipfile
from pathlib import PurePath
from typing import Any, BinaryIO

from agentchat.errors import FileUnreadable, text_of

MAX_CHARS = 2_000_000  # of one file
MAX_PAGES = 1_000
MAX_SECONDS = 30.0  # for the pages of a PDF
MAX_UNPACKED_BYTES = 100 * 10**6  # of an office document, which is a ZIP file

_TEXT_TYPES = ("json", "xml", "yaml", "x-yaml", "toml", "javascript", "x-sh", "sql", "x-ndjson", "rtf", "x-python")
_OFFICE = (".docx", ".xlsx", ".pptx", ".xls", ".epub", ".msg")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def is_text_type(content_type: str) -> bool:
    """Whether a file of this type is a text as it is."""
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    return kind == "text" or subtype in _TEXT_TYPES or subtype.endswith(("+json", "+xml"))


def text_in(contents: BinaryIO, *, name: str, content_type: str) -> str:
    """The text in these contents, MAX_CHARS at most. Blocks. Raise FileUnreadable if there is none to be read."""
    if content_type == "application/pdf":
        return _of_pdf(contents, name)
    if PurePath(name.lower()).suffix in _OFFICE:
        return _of_office(contents, name)
    if is_text_type(content_type):
        return _decoded(contents.read(4 * MAX_CHARS + 1))[:MAX_CHARS]  # no character takes more bytes
    raise FileUnreadable(f"{name!r} ({content_type or 'of no known type'}) has no text that could be read")


def _decoded(data: bytes) -> str:
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        is_cut = len(data) > 4 * MAX_CHARS and error.start >= len(data) - 4
        return data.decode("utf-8" if is_cut else "cp1252", "replace")  # an older encoding


def _of_pdf(contents: BinaryIO, name: str) -> str:
    pypdf: Any = importlib.import_module("pypdf")  # late: it takes a moment, and most sites need it for few files
    until, length, texts = time.monotonic() + MAX_SECONDS, 0, []
    try:
        reader = pypdf.PdfReader(contents)
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileUnreadable(f"{name!r} is protected by a password")
        for number, page in enumerate(reader.pages):
            if number == MAX_PAGES or length > MAX_CHARS or time.monotonic() > until:
                break
            texts.append(page.extract_text().strip())
            length += len(texts[-1])
    except FileUnreadable:
        raise
    except Exception as error:  # of a file that is broken, in whichever way
        raise FileUnreadable(f"{name!r} cannot be read as a PDF: {text_of(error)}") from error
    return "\n\n".join(filter(None, texts))[:MAX_CHARS]


def _of_office(contents: BinaryIO, name: str) -> str:
    try:
        markitdown: Any = importlib.import_module("markitdown")
    except ImportError:
        raise FileUnreadable(f"{name!r} needs markitdown to be read: pip install 'agentchat[office]'") from None
    suffix = PurePath(name.lower()).suffix
    try:
        if zipfile.is_zipfile(contents):
            contents.seek(0)
            with zipfile.ZipFile(contents) as packed:
                size = sum(each.file_size for each in packed.infolist())
            if size > MAX_UNPACKED_BYTES:
                raise FileUnreadable(f"{name!r} is too large when it is unpacked: {size / 10**6:.0f} MB")
        contents.seek(0)
        info = markitdown.StreamInfo(extension=suffix, filename=name)
        converted = markitdown.MarkItDown(enable_plugins=False).convert_stream(contents, stream_info=info)
        return str(converted.markdown)[:MAX_CHARS]
    except FileUnreadable:
        raise
    except Exception as error:  # of a file that is broken, in whichever way
        raise FileUnreadable(f"{name!r} cannot be read as a {suffix} document: {text_of(error)}") from error

"""What reads PDFs and documents, in a process of its own: it may take as long, and as much memory, as it was told.

The file is its standard input; its standard output is JSON: the `text`, or an `error` in words. Without Django.
"""

import importlib
import json
import os
import resource
import sys
import zipfile
from contextlib import suppress
from typing import Any, BinaryIO

OFFICE = (".docx", ".xlsx", ".pptx", ".xls", ".epub", ".msg")


def main(
    *,
    name: str,
    suffix: str,
    max_chars: int,
    max_pages: int,
    max_unpacked_bytes: int,
    seconds: int,
    memory_bytes: int,
) -> None:
    """Read the file, and end the process: with 0 if it was read or cannot be."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    output, sys.stdout = sys.stdout, sys.stderr  # libraries print
    with open(0, "rb", closefd=False) as contents:
        try:
            if suffix == ".pdf":
                answer = {"text": _of_pdf(contents, max_chars, max_pages)}
            else:
                answer = {"text": _of_office(contents, suffix, max_chars, max_unpacked_bytes)}
        except _Unreadable as error:
            answer = {"error": f"{name!r} {error}"}
        except MemoryError:
            os._exit(1)
        except Exception as error:  # of a file that is broken, in whichever way
            kind = "PDF" if suffix == ".pdf" else f"{suffix} document"
            answer = {"error": f"{name!r} cannot be read as a {kind}: {str(error)[:200] or type(error).__name__}"}
    json.dump(answer, output)
    output.flush()
    os._exit(0)  # whatever threads and handlers a library has left


class _Unreadable(Exception):
    """Why it cannot be read, after the name of the file."""


def _of_pdf(contents: BinaryIO, max_chars: int, max_pages: int) -> str:
    pypdf: Any = importlib.import_module("pypdf")
    reader, length, texts = pypdf.PdfReader(contents), 0, []
    if reader.is_encrypted and not reader.decrypt(""):
        raise _Unreadable("is protected by a password")
    for number, page in enumerate(reader.pages):
        if number == max_pages or length > max_chars:
            break
        texts.append(page.extract_text().strip())
        length += len(texts[-1])
    return "\n\n".join(filter(None, texts))[:max_chars]


def _of_office(contents: BinaryIO, suffix: str, max_chars: int, max_unpacked_bytes: int) -> str:
    try:
        markitdown: Any = importlib.import_module("markitdown")
    except ImportError:
        raise _Unreadable("needs markitdown to be read: pip install 'agentchat[office]'") from None
    if zipfile.is_zipfile(contents):
        contents.seek(0)
        with zipfile.ZipFile(contents) as packed:
            size = sum(each.file_size for each in packed.infolist())
        if size > max_unpacked_bytes:
            raise _Unreadable(f"is too large when it is unpacked: {size / 10**6:.0f} MB")
    contents.seek(0)
    info = markitdown.StreamInfo(extension=suffix)
    converted = markitdown.MarkItDown(enable_plugins=False).convert_stream(contents, stream_info=info)
    return str(converted.markdown)[:max_chars]

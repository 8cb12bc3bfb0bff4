import io
import struct
import tracemalloc
import zipfile

import pytest

from agentchat.files.content_types import BadArchive, judge
from tests.files import hostile


def kind(content, name=""):
    return judge(io.BytesIO(content), name)


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (hostile.image("PNG"), "photo.exe", "image/png"),
        (hostile.image("JPEG"), "", "image/jpeg"),
        (hostile.image("WEBP"), "", "image/webp"),
        (hostile.polyglot(), "page.html", "image/gif"),
        (hostile.PDF_WITH_SCRIPT, "picture.png", "application/pdf"),
        (hostile.document(), "letter.zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (hostile.SVG, "picture.png", "image/svg+xml"),
        (hostile.HTML, "notes.txt", "text/html"),
        (b"a,b\n1,2\n", "table.csv", "text/csv"),
        (b"a,b\n1,2\n", "table.png", "text/plain"),
        ("Ünïcödé".encode(), "", "text/plain"),
        ("Ünïcödé".encode("utf-16"), "", "text/plain"),
        (b'{"a": 1}', "a.json", "application/json"),
        (b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0", "table.csv", "application/octet-stream"),
        (b"\xff\xfb\x90\x64" + bytes(400), "", "audio/mpeg"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(20), "", "audio/wav"),
        (b"text, then\0 nothing of the sort", "a.txt", "application/octet-stream"),
        (b"good text " * 20_000 + b"\0\xff\xfe", "a.txt", "application/octet-stream"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_what_its_content_says_whatever_its_name(content, name, expected):
    found = kind(content, name)
    assert found == expected or (expected == "application/octet-stream" and not found.startswith(("text/", "image/")))


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused():
    bomb = hostile.zip_bomb()
    assert len(bomb) < 200_000
    with pytest.raises(BadArchive, match="104857600 bytes"):
        kind(bomb)


ENTRY = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 16)
MANY = 400_000


def end_of_directory(entries, directory_bytes, comment=b""):
    count = min(entries, 0xFFFF)
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, directory_bytes, 0, len(comment)) + comment


def end_in_64_bits(entries, directory_bytes):
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, directory_bytes, 0)
    return end + struct.pack("<4sLQL", b"PK\x06\x07", 0, directory_bytes + 30, 1)


@pytest.mark.parametrize(
    "end",
    [
        end_of_directory(MANY, MANY * len(ENTRY)),
        end_in_64_bits(MANY, MANY * len(ENTRY)) + end_of_directory(1, len(ENTRY)),
        end_of_directory(1, len(ENTRY), comment=end_of_directory(MANY, MANY * len(ENTRY), comment=b"!")),
        end_of_directory(1, MANY * len(ENTRY), comment=b"!" * 0xFFFF),
    ],
    ids=["many entries", "64 bits", "an end within a comment", "a long comment"],
)
def test_a_directory_of_very_many_entries_is_refused_before_it_is_read(end):
    archive = io.BytesIO(b"PK\x03\x04" + bytes(26) + ENTRY * MANY + end)
    tracemalloc.start()
    try:
        with pytest.raises(BadArchive, match="its directory has"):
            judge(archive, "")
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_with_a_comment_is_one():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "a")
        archive.comment = b"written on a Tuesday" * 100
    assert kind(content.getvalue()) == "application/zip"


def test_an_archive_without_a_directory_is_refused():
    with pytest.raises(BadArchive):
        kind(b"PK\x03\x04" + bytes(100))

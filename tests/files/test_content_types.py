import io

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


def test_an_archive_without_a_directory_is_refused():
    with pytest.raises(BadArchive):
        kind(b"PK\x03\x04" + bytes(100))

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentchat.files.names import MAX_CHARS, clean_name, with_extension


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\photo.png", "photo.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("a\0b\r\nc.txt", "abc.txt"),
        ("..", "file"),
        ("", "file"),
        ("con.txt", "_con.txt"),
        ('a"b<c>.csv', "a_b_c_.csv"),
        ("Bericht für Ådå.pdf", "Bericht für Ådå.pdf"),
        ("تقرير.pdf", "تقرير.pdf"),
    ],
)
def test_a_name_has_neither_a_path_nor_what_cannot_be_seen(name, cleaned):
    assert clean_name(name) == cleaned


@given(st.text(max_size=400))
def test_any_name_becomes_one_that_can_be_shown_and_stored(name):
    cleaned = clean_name(name)
    assert 0 < len(cleaned) <= MAX_CHARS
    assert cleaned.isprintable()
    assert not set('/\\\0"<>') & set(cleaned)
    assert clean_name(cleaned) == cleaned


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("photo.exe", "image/png", "photo.exe.png"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("photo", "application/pdf", "photo.pdf"),
        ("run.sh", "text/plain", "run.sh"),
    ],
)
def test_a_name_ends_as_its_type_does(name, content_type, expected):
    assert with_extension(name, content_type) == expected


def test_a_long_name_keeps_its_extension():
    assert clean_name("x" * 500 + ".pdf").endswith("….pdf")

"""Files as values: their names and types, and the text in them."""

import io
import json
import zipfile

import pytest

from agentchat import File
from agentchat.core import file_text
from agentchat.errors import FileUnreadable
from tests.sample_files import pdf, png, wav


@pytest.fixture(autouse=True)
def nothing_read():
    file_text._read.clear()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\plan.pdf", "plan.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\0b\n.txt", "ab.txt"),
        ("..", "file"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
    ],
)
def test_a_name_is_only_a_name(name, kept):
    assert File(name, b"x").name == kept


@pytest.mark.parametrize(
    ("name", "data", "content_type", "kind"),
    [
        ("picture.txt", png(), "image/png", "image"),
        ("x", pdf("x"), "application/pdf", "file"),
        ("hello.wav", wav(), None, "audio"),
        ("prices.csv", "a,b\n", "text/csv", None),
        ("notes", "some words", "text/plain", None),
        ("empty.json", b"", "application/json", None),
        ("x", b"\0\1\2\xff" * 9, "application/octet-stream", None),
    ],
)
def test_the_contents_decide_the_type_and_the_name_of_a_text(name, data, content_type, kind):
    file = File(name, data)
    assert file.content_type == (content_type or file.content_type)
    assert file.kind == kind


def test_the_same_contents_are_the_same_file_in_each_process(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    assert File("a.txt", tmp_path / "a.txt") == File("a.txt", "x") == File("a.txt", io.BytesIO(b"x"))
    assert File("a.txt", "x") != File("a.txt", "y")
    assert json.dumps(File("a.txt", "x").reference())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_is_read_in_its_encoding(encoding):
    assert File("x.txt", "Grüße".encode(encoding), "text/plain").text() == "Grüße"


def test_a_pdf_has_the_text_of_its_pages():
    assert File("plan.pdf", pdf("Four chairs", "Two tables")).text() == "Four chairs\n\nTwo tables"


@pytest.mark.parametrize("data", [b"%PDF-1.4\nnothing", b"", pdf("x")[:200]])
def test_a_broken_pdf_is_unreadable(data):
    with pytest.raises(FileUnreadable, match=r"'plan\.pdf' cannot be read as a PDF"):
        File("plan.pdf", data, "application/pdf").text()


def test_a_pdf_without_end_is_read_as_far_as_it_may_be(monkeypatch):
    monkeypatch.setattr(file_text, "MAX_PAGES", 1)
    assert File("plan.pdf", pdf("Four chairs", "Two tables")).text() == "Four chairs"
    monkeypatch.setattr(file_text, "MAX_CHARS", 4)
    assert File("plan.pdf", pdf("Two chairs", "Two tables")).text() == "Two "


def test_a_locked_pdf_is_unreadable():
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("secret")))
    writer.encrypt("password", algorithm="RC4-128")
    with io.BytesIO() as locked:
        writer.write(locked)
        file = File("plan.pdf", locked.getvalue())
    with pytest.raises(FileUnreadable, match="protected by a password"):
        file.text()


def test_a_picture_has_no_text():
    with pytest.raises(FileUnreadable, match=r"'red\.png' \(image/png\) has no text"):
        File("red.png", png()).text()


def document(text: str, padding: int = 0) -> bytes:
    """A document of a word processor, with an entry of so many bytes that compress well."""
    w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    with io.BytesIO() as contents:
        with zipfile.ZipFile(contents, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(
                "[Content_Types].xml", "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>"
            )
            target = f"<Relationship Id='r1' Type='{office}' Target='word/document.xml'/>"
            packed.writestr("_rels/.rels", f"<Relationships xmlns='{relations}'>{target}</Relationships>")
            body = f"<w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body>"
            packed.writestr("word/document.xml", f"<w:document xmlns:w='{w}'>{body}</w:document>")
            packed.writestr("word/media/padding.bin", b"\0" * padding)
        return contents.getvalue()


def test_a_document_of_an_office_program_has_text():
    pytest.importorskip("markitdown")
    assert "Four chairs" in File("plan.docx", document("Four chairs")).text()


def test_a_document_that_unpacks_to_too_much_is_unreadable():
    pytest.importorskip("markitdown")
    bomb = document("x", padding=file_text.MAX_UNPACKED_BYTES + 1)
    assert len(bomb) < 10**6
    with pytest.raises(FileUnreadable, match="too large when it is unpacked"):
        File("plan.docx", bomb).text()


def test_a_pdf_that_would_take_minutes_is_given_up(monkeypatch):
    """Its one page shows a word half a million times, and it has 30 KB."""
    monkeypatch.setattr(file_text, "MAX_SECONDS", 1)
    bomb = File("bomb.pdf", pdf("Hello) Tj 1 0 Td (" * 500_000, packed=True))
    assert bomb.size < 50_000
    with pytest.raises(FileUnreadable, match="takes too long"):
        bomb.text()


def test_a_pdf_is_read_once(monkeypatch):
    file = File("plan.pdf", pdf("Five chairs"))
    assert file.text() == "Five chairs"
    monkeypatch.setattr(file_text, "_in_process", None)
    assert File("other name.pdf", file.read()).text() == "Five chairs"


def test_without_markitdown_the_error_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "markitdown.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FileUnreadable, match=r"pip install 'agentchat\[office\]'"):
        File("plan.docx", document("not read yet")).text()

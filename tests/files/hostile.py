"""Files that somebody made to do harm, and honest ones beside them."""

import io
import struct
import zipfile
import zlib

from PIL import Image

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/steal")</script></svg>'
HTML = b"<!DOCTYPE html><html><body><script>top.stolen = 1</script></body></html>"
PDF_WITH_SCRIPT = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


def image(format_="PNG", size=(64, 48), *, color="teal", **options):
    content = io.BytesIO()
    Image.new("RGB", size, color).save(content, format_, **options)
    return content.getvalue()


def photo(*, orientation=6, size=(80, 40)):
    """A JPEG that says where and how it was taken."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera of Ada"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    return image("JPEG", size, exif=exif, comment=b"taken at home")


def animation(frames=3):
    first, *others = [Image.new("RGB", (20, 10), (80 * n, 0, 0)) for n in range(frames)]
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=120, loop=0)
    return content.getvalue()


def polyglot():
    """A picture that is an archive and a page, too."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.class", b"\xca\xfe\xba\xbe")
    return image("GIF") + HTML + archive.getvalue()


def enormous_png(side=20_000):
    """A few hundred kilobytes that say they are 20,000 by 20,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side + 1) * 100, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zip_bomb(megabytes=100):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as entry:
        for _ in range(megabytes):
            entry.write(bytes(1024 * 1024))
    return content.getvalue()


def document(text="hello"):
    """An office document, as far as its directory says."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f"<w>{text}</w>")
    return content.getvalue()

import io

import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from agentchat.files.images import MAX_FRAMES, BadImage, TooManyPixels, remade
from tests.files import hostile


def cleaned(content, content_type):
    """The bytes and the image of what is made of it."""
    image = remade(io.BytesIO(content), content_type)
    with image.content:
        image.content.seek(0)
        made = image.content.read()
    return image, made


def test_a_photo_loses_where_it_was_taken_and_is_turned_as_its_camera_was():
    photo = hostile.photo(size=(80, 40))
    assert b"Camera of Ada" in photo
    image, made = cleaned(photo, "image/jpeg")
    assert b"Camera" not in made
    assert b"taken at home" not in made
    assert (image.width, image.height) == (40, 80)
    shown = Image.open(io.BytesIO(made))
    assert shown.size == (40, 80)
    assert not shown.getexif()
    assert Image.open(io.BytesIO(image.thumbnail)).format == "WEBP"


def test_what_hides_behind_a_picture_is_gone():
    _, made = cleaned(hostile.polyglot(), "image/gif")
    assert b"<script>" not in made
    assert b"PK\x03\x04" not in made


def test_an_animation_stays_one():
    _, made = cleaned(hostile.animation(frames=3), "image/gif")
    assert Image.open(io.BytesIO(made)).n_frames == 3


def film(frames):
    """A GIF of so many frames, each one pixel of another colour than the last."""
    start = b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02"
    both = start + b"\x44\x01\0" + start + b"\x4c\x01\0"
    last = start + b"\x44\x01\0" if frames % 2 else b""
    return b"GIF89a\x01\0\x01\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + both * (frames // 2) + last + b";"


@pytest.mark.parametrize(("frames", "kept"), [(2, 2), (MAX_FRAMES, MAX_FRAMES), (MAX_FRAMES + 1, 1), (500_000, 1)])
def test_of_a_film_of_very_many_frames_the_first_picture_is_left(frames, kept, monkeypatch):
    looked_at, seek = [], GifImageFile.seek
    monkeypatch.setattr(GifImageFile, "seek", lambda image, number: looked_at.append(number) or seek(image, number))
    _, made = cleaned(film(frames), "image/gif")
    monkeypatch.undo()
    assert max(looked_at) <= MAX_FRAMES
    assert Image.open(io.BytesIO(made)).n_frames == kept


def test_a_picture_of_too_many_pixels_is_not_decoded():
    with pytest.raises(TooManyPixels):
        cleaned(hostile.enormous_png(), "image/png")


def test_the_limit_of_pixels_is_a_setting(settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "MAX_IMAGE_PIXELS": 999}
    with pytest.raises(TooManyPixels, match="64 by 48"):
        cleaned(hostile.image(), "image/png")


@pytest.mark.parametrize(
    "content",
    [hostile.image()[:60], b"\x89PNG\r\n\x1a\n" + bytes(100), hostile.image("JPEG")],
    ids=["cut off", "nothing inside", "another format"],
)
def test_a_damaged_picture_is_refused(content):
    with pytest.raises(BadImage):
        cleaned(content, "image/png")


def test_transparency_stays():
    content = io.BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(content, "PNG")
    _, made = cleaned(content.getvalue(), "image/png")
    assert Image.open(io.BytesIO(made)).getpixel((5, 5))[3] == 0
